// Sequences of unequal length: what padding holds is without effect, to the bit.
#include <limits>

#include <boost/test/unit_test.hpp>

#include "support/numeric.h"
#include "support/recurrent_layers.h"

namespace unroll::test {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();

// Random up to the end of each row, `padding` from there on.
Tensor padded(const Shape& shape, std::span<const Index> lengths, double padding, DType dtype) {
  auto all = values(random_values(shape, 9));
  for (Index t = 0; t < shape[0]; ++t)
    for (Index b = 0; b < shape[1]; ++b)
      for (Index k = 0; k < shape[2] && t >= lengths[static_cast<std::size_t>(b)]; ++k)
        all[static_cast<std::size_t>((t * shape[1] + b) * shape[2] + k)] = padding;
  return from(std::span<const double>(all), shape).to(dtype);
}

struct Result {
  Tensor outputs;
  std::vector<Tensor> states;
  std::vector<Tensor> gradients;  // input, initial states, parameters
};

template <class Layer>
Result train(const Layer& layer, const Tensor& x, std::span<const Index> lengths) {
  Tape tape;
  std::vector<Tensor> leaves{tape.watch(x)};
  typename Layer::State initial = layer(zeros({0, x.size(1), x.size(2)}, x.dtype())).state;
  std::uint64_t n = 100;
  for_each_tensor(initial, [&](Tensor& s) {
    s = tape.watch(random_values(s.shape(), ++n, s.dtype()));
    leaves.push_back(s);
  });
  const auto out = layer(leaves[0], {.initial = initial, .lengths = lengths});
  const Tensor loss = weighted_sum(out);
  Result r{.outputs = detach(out.outputs),
           .states = tensors_of(detach(out.state)),
           .gradients = tape.gradient(loss, leaves, {.unreached = Unreached::zero})};
  const Gradients grads = tape.backward(loss, layer.parameters());
  for (const auto& [path, p] : layer.parameters())  // without any valid step, none is read
    r.gradients.push_back(grads.contains(p) ? grads[p] : zeros(p.shape(), p.dtype()));
  return r;
}

void check_bits(const Result& a, const Result& b) {
  BOOST_TEST(all_equal(a.outputs, b.outputs));
  for (std::size_t i = 0; i < a.states.size(); ++i) BOOST_TEST(all_equal(a.states[i], b.states[i]));
  for (std::size_t i = 0; i < a.gradients.size(); ++i)
    BOOST_TEST_CONTEXT("gradient " << i) BOOST_TEST(all_equal(a.gradients[i], b.gradients[i]));
}

void check_zero_padding(const Tensor& x, std::span<const Index> lengths) {
  for (Index b = 0; b < x.size(1); ++b)
    for (Index t = lengths[static_cast<std::size_t>(b)]; t < x.size(0); ++t)
      BOOST_TEST(
          all_equal(contiguous(select(select(x, 0, t), 0, b)), zeros({x.size(2)}, x.dtype())));
}

template <class Layer>
void check_padding(DType dtype, bool bidirectional) {
  Layer layer({.input = 3, .hidden = 4, .layers = 2, .bidirectional = bidirectional});
  layer.to(dtype);
  randomize(layer, 6);
  const std::vector<std::vector<Index>> all_lengths{{6, 4, 2, 1}, {2, 6, 0, 3}, {1, 4, 3, 2},
                                                    {0, 0, 0, 0}, {6, 6, 6, 6}, {0, 0, 1, 0}};
  for (const auto& lengths : all_lengths) {
    BOOST_TEST_CONTEXT(lengths[0] << "," << lengths[1] << "," << lengths[2] << "," << lengths[3]) {
      const Shape shape{6, 4, 3};
      const auto plain = train(layer, padded(shape, lengths, 0, dtype), lengths);
      check_zero_padding(plain.outputs, lengths);
      check_zero_padding(plain.gradients[0], lengths);
      for (const double garbage : {nan, inf, -inf, 1e30, -3.0}) {
        BOOST_TEST_CONTEXT("padding holds " << garbage)
        check_bits(train(layer, padded(shape, lengths, garbage, dtype), lengths), plain);
      }
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(recurrent_lengths)

BOOST_AUTO_TEST_CASE(padding_changes_no_bit_rnn) { check_padding<nn::RNN>(f64, true); }
BOOST_AUTO_TEST_CASE(padding_changes_no_bit_lstm) { check_padding<nn::LSTM>(f64, true); }
BOOST_AUTO_TEST_CASE(padding_changes_no_bit_gru) { check_padding<nn::GRU>(f64, false); }
BOOST_AUTO_TEST_CASE(padding_changes_no_bit_in_f32) {
  check_padding<nn::LSTM>(f32, false);
  check_padding<nn::GRU>(f32, true);
}

BOOST_AUTO_TEST_CASE(no_steps_at_all_give_back_the_initial_state) {
  nn::LSTM layer({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true});
  const std::vector<Index> lengths{0, 5};
  nn::LSTM::State initial = layer(zeros({0, 2, 3})).state;
  std::uint64_t n = 0;
  for_each_tensor(initial, [&](Tensor& s) { s = random_values(s.shape(), ++n, f32); });
  const auto out =
      layer(random_values({5, 2, 3}, 4, f32), {.initial = initial, .lengths = lengths});
  const auto before = tensors_of(initial);
  const auto after = tensors_of(out.state);
  BOOST_REQUIRE(before.size() == 8U);
  for (std::size_t i = 0; i < before.size(); ++i) {
    BOOST_TEST(all_equal(contiguous(select(after[i], 0, 0)), contiguous(select(before[i], 0, 0))));
    BOOST_TEST(
        !all_equal(contiguous(select(after[i], 0, 1)), contiguous(select(before[i], 0, 1))).ok());
  }
}

// With all lengths 0 the loss depends on the initial state alone, with slope 1.
BOOST_AUTO_TEST_CASE(all_lengths_zero) {
  nn::GRU layer({.input = 2, .hidden = 3});
  const std::vector<Index> none{0, 0};
  Tape tape;
  const Tensor h = tape.watch(random_values({2, 3}, 1, f32));
  const Tensor x = tape.watch(full({4, 2, 2}, nan));
  const auto out = layer(x, {.initial = {.forward = {{.h = h}}}, .lengths = none});
  BOOST_TEST(all_equal(out.outputs, zeros({4, 2, 3})));
  BOOST_TEST(all_equal(out.state.forward[0].h, h));
  const Tensor loss = sum(out.outputs) + sum(out.state.forward[0].h);
  BOOST_TEST(all_equal(tape.gradient(loss, h), ones({2, 3})));
  BOOST_TEST(all_equal(tape.gradient(loss, x, {.unreached = Unreached::zero}), zeros({4, 2, 2})));
}

BOOST_AUTO_TEST_CASE(full_lengths_are_no_lengths) {
  nn::LSTM layer({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true});
  const Tensor x = random_values({5, 3, 3}, 2, f32);
  const std::vector<Index> lengths{5, 5, 5};
  check_bits(train(layer, x, lengths), train(layer, x, {}));
}

// Whatever flows back to a padded output is not looked at.
BOOST_AUTO_TEST_CASE(what_comes_back_to_padding_is_dropped) {
  nn::LSTM layer({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true});
  layer.to(f64);
  randomize(layer, 6);
  const std::vector<Index> lengths{2, 4, 0};
  const auto gradients = [&](double at_padding) {
    Tape tape;
    const Tensor x = tape.watch(padded({4, 3, 3}, lengths, 0, f64));
    const Tensor y = layer(x, {.lengths = lengths}).outputs;
    std::vector<Tensor> leaves{x};
    for (const auto& [path, p] : layer.parameters()) leaves.push_back(p);
    return tape.gradient(y, leaves, {.upstream = padded({4, 3, 8}, lengths, at_padding, f64)});
  };
  const auto expected = gradients(0);
  for (const double garbage : {nan, inf, 1e200}) {
    const auto found = gradients(garbage);
    for (std::size_t i = 0; i < found.size(); ++i) BOOST_TEST_CONTEXT(garbage << ", gradient " << i)
    BOOST_TEST(all_equal(found[i], expected[i]));
  }
}

BOOST_AUTO_TEST_CASE(final_state_is_that_of_the_last_valid_step) {
  nn::RNN layer({.input = 2, .hidden = 3, .bidirectional = true});
  const Tensor x = random_values({5, 3, 2}, 3, f32);
  const std::vector<Index> lengths{3, 5, 1};
  const auto out = layer(x, {.lengths = lengths});
  for (Index b = 0; b < 3; ++b) {
    const Index last = lengths[static_cast<std::size_t>(b)] - 1;
    const auto row = [&](const Tensor& y, Index t) {
      return contiguous(select(select(y, 0, t), 0, b));
    };
    BOOST_TEST(all_equal(slice(row(out.outputs, last), {.to = 3}),
                         contiguous(select(out.state.forward[0].h, 0, b))));
    BOOST_TEST(all_equal(contiguous(slice(row(out.outputs, 0), {.from = 3})),
                         contiguous(select(out.state.backward[0].h, 0, b))));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
