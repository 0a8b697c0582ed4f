// Norms of the gradients of all values, which backward() keeps for graphs.
#include <boost/test/unit_test.hpp>

#include "support/gradient_norms.h"
#include "support/leaves.h"
#include "support/random_program.h"
#include "support/recurrent_layers.h"

namespace unroll::test {
namespace {

const graph::Value& value_of(const graph::Snapshot& s, const Tensor& x) {
  return s.values.at(x.header()->value);
}

template <class Layer>
void check_layer(Layer& layer, DType dtype, const std::vector<Index>& lengths = {}) {
  layer.to(dtype);
  randomize(layer, 3);
  Tape tape;
  const Tensor x = tape.watch(random_values({5, 3, layer.options.input}, 4, dtype));
  const Tensor loss = weighted_sum(layer(x, {.lengths = lengths}));
  Index reached = 0;
  BOOST_TEST(check_norms(tape, loss, dtype == f64 ? 1e-10 : 1e-4, reached) == "");
  BOOST_TEST(reached > 30);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gradient_norms)

BOOST_AUTO_TEST_CASE(of_recurrent_layers) {
  const std::vector<Index> lengths{5, 2, 4};
  for (const DType dtype : {f64, f32}) {
    nn::LSTM lstm({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true});
    check_layer(lstm, dtype);
    check_layer(lstm, dtype, lengths);
    nn::GRU gru({.input = 3, .hidden = 4, .layers = 2});
    check_layer(gru, dtype);
    nn::RNN rnn({.input = 3, .hidden = 4, .bidirectional = true});
    check_layer(rnn, dtype, lengths);
  }
  nn::LSTM recomputed({.input = 3, .hidden = 4, .layers = 2, .recompute_every = 2});
  check_layer(recomputed, f64);
}

// Also of tables with few rows used, of rows used often, and of one that is used densely, too.
BOOST_AUTO_TEST_CASE(of_tables) {
  const Tensor table = make_parameter(random_values({7, 3}, 1), "table");
  const Tensor tied = make_parameter(random_values({7, 3}, 2), "tied");
  Tape tape;
  const Tensor ids = tensor({1, 4, 1, 1});
  const Tensor y = embedding(table, ids) * embedding(tied, ids);
  const Tensor loss = sum(square(matmul(y, transpose(tied, 0, 1))));
  Index reached = 0;
  BOOST_TEST(check_norms(tape, loss, 1e-10, reached) == "");
  BOOST_TEST(reached >= 7);
}

// What is written in place elsewhere: regions of views, shared addends, products that wait.
BOOST_AUTO_TEST_CASE(of_random_programs) {
  Index reached = 0;
  for (std::uint64_t seed = 0; seed < 120; ++seed) {
    const RandomProgram program(seed, 14);
    std::vector<Tensor> leaves;
    for (const Tensor& x : program.leaves())
      leaves.push_back(make_parameter(x, "p" + std::to_string(leaves.size())));
    Tape tape;
    const Tensor loss = program.loss(program.run(leaves));
    if (loss.header()->tape == 0) continue;
    std::string wrong;
    try {
      wrong = check_norms(tape, loss, 1e-9, reached);
    } catch (const Error& e) {
      wrong = std::string(e.what()).find("depends on no parameter") != std::string::npos ? ""
                                                                                         : e.what();
    }
    BOOST_TEST_CONTEXT("seed " << seed << "\n" << program.text()) BOOST_TEST(wrong == "");
  }
  BOOST_TEST(reached > 1000);
}

BOOST_AUTO_TEST_CASE(against_numbers) {
  const Tensor p = make_parameter(tensor({3.0, 4.0}), "p");
  const Tensor q = make_parameter(tensor({1.0, 1.0}), "q");
  Tape tape;
  const Tensor y = p * 2.0;
  const Tensor unused = tanh(p);
  const Tensor nothing = y * 0.0;
  const Tensor loss = sum(square(y)) + sum(nothing * q);
  static_cast<void>(tape.backward(loss, {.keep_norms = true}));
  const graph::Snapshot s = tape.snapshot();
  BOOST_TEST(value_of(s, loss).gradient_norm.value() == 1.0);
  BOOST_TEST(value_of(s, y).gradient_norm.value() == 20.0);  // ‖2·y‖ = 2·‖(6, 8)‖
  BOOST_TEST(s.values.at(0).gradient_norm.value() == 40.0);  // of p
  BOOST_TEST(!value_of(s, unused).gradient_norm.has_value());
  BOOST_TEST(s.loss == loss.header()->value);
  for (const graph::Value& v : s.values)
    if (v.name == "q") BOOST_TEST(v.gradient_norm.value() == 0.0);  // exactly
}

// Of parameters that were not asked for, too: only what is given back is limited.
BOOST_AUTO_TEST_CASE(of_all_that_the_loss_depends_on) {
  const Tensor p = make_parameter(tensor({3.0}), "p"), q = make_parameter(tensor({2.0}), "q");
  Tape tape;
  const Tensor watched = tape.watch(tensor({5.0}));
  const std::vector<Tensor> only{p};
  const auto grads = tape.backward(sum(p * q * watched), only, {.keep_norms = true});
  BOOST_TEST(grads.size() == 1);
  std::vector<double> norms;
  for (const graph::Value& v : tape.snapshot().values)
    if (v.node < 0) norms.push_back(v.gradient_norm.value());
  std::sort(norms.begin(), norms.end());
  BOOST_TEST(norms == (std::vector{6.0, 10.0, 15.0}));
}

BOOST_AUTO_TEST_CASE(hooks_run_once_and_count) {
  const Tensor p = make_parameter(tensor({3.0}), "p");
  int calls = 0;
  Tape tape;
  const Tensor y = p * 2.0;
  tape.on_gradient(y, [&](const Tensor& g) {
    ++calls;
    return g * 10.0;
  });
  tape.on_gradient(p, [&](const Tensor& g) {
    ++calls;
    return g + 1.0;
  });
  const auto grads = tape.backward(sum(y * 3.0), {.keep_norms = true});
  BOOST_TEST(calls == 2);
  BOOST_TEST(grads[p].item<double>() == 61.0);
  const graph::Snapshot s = tape.snapshot();
  BOOST_TEST(value_of(s, y).gradient_norm.value() == 30.0);
  BOOST_TEST(s.values.at(0).gradient_norm.value() == 61.0);
}

// A later backward() has its own, or none.
BOOST_AUTO_TEST_CASE(of_the_last_backward) {
  const Tensor p = make_parameter(tensor({3.0}), "p");
  Tape tape;
  const Tensor a = sum(p * 2.0), b = sum(p * 5.0);
  static_cast<void>(tape.backward(a, {.retain = true, .keep_norms = true}));
  BOOST_TEST(tape.snapshot().values.at(0).gradient_norm.value() == 2.0);
  static_cast<void>(tape.gradient(b, p));
  BOOST_TEST(tape.snapshot().values.at(0).gradient_norm.value() == 2.0);
  BOOST_TEST(tape.snapshot().loss == a.header()->value);
  static_cast<void>(tape.backward(b, {.retain = true, .keep_norms = true}));
  BOOST_TEST(tape.snapshot().values.at(0).gradient_norm.value() == 5.0);
  BOOST_TEST(tape.snapshot().loss == b.header()->value);
  static_cast<void>(tape.backward(a));
  BOOST_TEST(!tape.snapshot().values.at(0).gradient_norm.has_value());
}

BOOST_AUTO_TEST_CASE(that_are_not_finite) {
  const Tensor p = make_parameter(tensor({0.0, 1.0}), "p");
  Tape tape;
  static_cast<void>(tape.backward(sum(sqrt(p) * 1e200), {.keep_norms = true}));
  BOOST_TEST(std::isinf(tape.snapshot().values.at(0).gradient_norm.value()));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
