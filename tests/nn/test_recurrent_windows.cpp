// One call over many steps, many calls over one step, rows together and alone.
#include <boost/test/unit_test.hpp>

#include "support/numeric.h"
#include "support/recurrent_layers.h"

namespace unroll::test {
namespace {

constexpr double rounding = 1e-13;

void check_close(const Tensor& a, const Tensor& b, double relative, const std::string& what) {
  BOOST_TEST_CONTEXT(what) BOOST_TEST(disagreement(a, b, {.relative = relative}) == "");
}

template <class State>
void check_states(const State& a, const State& b, double relative) {
  const auto left = tensors_of(a);
  const auto right = tensors_of(b);
  BOOST_REQUIRE(left.size() == right.size());
  BOOST_REQUIRE(!left.empty());
  for (std::size_t i = 0; i < left.size(); ++i) check_close(left[i], right[i], relative, "state");
}

template <class Layer>
Layer make(Index layers = 2, bool bidirectional = false) {
  return Layer({.input = 3, .hidden = 5, .layers = layers, .bidirectional = bidirectional});
}

template <class Layer>
void check_carried_state() {
  Layer layer = make<Layer>();
  layer.to(f64);
  randomize(layer, 3);
  const Tensor x = random_values({100, 4, 3}, 1);
  const auto whole = layer(x);
  typename Layer::State state;
  std::vector<Tensor> outputs;
  for (Index t = 0; t < 100; ++t) {
    Tape tape;  // as in training: what is carried was recorded, and is cut off
    const auto out = layer(slice(x, {.from = t, .to = t + 1}), {.initial = state});
    BOOST_TEST(tape.nodes() > 0);
    outputs.push_back(detach(select(out.outputs, 0, 0)));
    state = detach(out.state);
  }
  check_close(stack(outputs, 0), whole.outputs, rounding, "outputs");
  check_states(state, whole.state, rounding);
}

template <class Layer>
void check_gradients_of_steps() {
  Layer layer = make<Layer>();
  layer.to(f64);
  randomize(layer, 3);
  const Tensor x = random_values({9, 4, 3}, 1);
  const auto at_once = [&] {
    Tape tape;
    return tape.backward(weighted_sum(layer(x)));
  }();
  Tape tape;
  typename Layer::Output out;
  std::vector<Tensor> outputs;
  for (Index t = 0; t < 9; ++t) {
    out = layer(slice(x, {.from = t, .to = t + 1}), {.initial = out.state});
    outputs.push_back(select(out.outputs, 0, 0));
  }
  out.outputs = stack(outputs, 0);
  const auto by_steps = tape.backward(weighted_sum(out));
  BOOST_TEST(by_steps.size() == layer.parameters().size());
  for (const auto& [path, p] : layer.parameters())
    check_close(by_steps[p], at_once[p], rounding, path);
}

template <class Layer>
void check_rows_alone(bool bidirectional) {
  Layer layer = make<Layer>(2, bidirectional);
  layer.to(f64);
  randomize(layer, 3);
  const Tensor x = random_values({6, 5, 3}, 1);
  const std::vector<Index> lengths{6, 2, 0, 5, 1};
  const auto together = layer(x, {.lengths = lengths});
  for (Index b = 0; b < 5; ++b) {
    const std::vector<Index> mine{lengths[static_cast<std::size_t>(b)]};
    const auto alone = layer(slice(x, {.axis = 1, .from = b, .to = b + 1}), {.lengths = mine});
    check_close(alone.outputs, slice(together.outputs, {.axis = 1, .from = b, .to = b + 1}),
                rounding, "outputs of row " + std::to_string(b));
    const auto of_all = tensors_of(together.state);
    const auto of_one = tensors_of(alone.state);
    for (std::size_t i = 0; i < of_all.size(); ++i)
      check_close(of_one[i], slice(of_all[i], {.from = b, .to = b + 1}), rounding, "state");
    // Cut to its length, a sequence needs no lengths.
    const auto cut = layer(slice(slice(x, {.axis = 1, .from = b, .to = b + 1}), {.to = mine[0]}));
    check_close(cut.outputs, slice(alone.outputs, {.to = mine[0]}), rounding, "cut");
    check_states(cut.state, alone.state, rounding);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(recurrent_windows)

BOOST_AUTO_TEST_CASE(carried_state_rnn) { check_carried_state<nn::RNN>(); }
BOOST_AUTO_TEST_CASE(carried_state_lstm) { check_carried_state<nn::LSTM>(); }
BOOST_AUTO_TEST_CASE(carried_state_gru) { check_carried_state<nn::GRU>(); }

BOOST_AUTO_TEST_CASE(gradients_by_steps_rnn) { check_gradients_of_steps<nn::RNN>(); }
BOOST_AUTO_TEST_CASE(gradients_by_steps_lstm) { check_gradients_of_steps<nn::LSTM>(); }
BOOST_AUTO_TEST_CASE(gradients_by_steps_gru) { check_gradients_of_steps<nn::GRU>(); }

BOOST_AUTO_TEST_CASE(rows_alone_rnn) { check_rows_alone<nn::RNN>(true); }
BOOST_AUTO_TEST_CASE(rows_alone_lstm) { check_rows_alone<nn::LSTM>(false); }
BOOST_AUTO_TEST_CASE(rows_alone_gru) { check_rows_alone<nn::GRU>(true); }

// A bidirectional layer is two layers of one direction, the second on the reversed sequence.
BOOST_AUTO_TEST_CASE(backward_is_forward_on_the_reversed_sequence) {
  nn::LSTM both = make<nn::LSTM>(1, true);
  nn::LSTM one = make<nn::LSTM>(1, false);
  both.to(f64);
  one.to(f64);
  randomize(both, 8);
  const auto all = both.parameters();
  for (const auto& [path, p] : one.parameters()) {
    const std::string twin = "0.backward" + path.substr(std::string("0.forward").size());
    for (const auto& [name, values_of_twin] : all)
      if (name == twin) unroll::detail::overwrite(p, values_of_twin, "copy");
  }
  const Tensor x = random_values({7, 2, 3}, 1);
  std::vector<Tensor> turned;
  for (Index t = 7; t-- > 0;) turned.push_back(select(x, 0, t));
  const auto expected = one(stack(turned, 0));
  const auto out = both(x);
  for (Index t = 0; t < 7; ++t)
    check_close(slice(select(out.outputs, 0, t), {.axis = 1, .from = 5}),
                select(expected.outputs, 0, 6 - t), rounding, "t=" + std::to_string(t));
  check_close(out.state.backward[0].h, expected.state.forward[0].h, rounding, "h");
  check_close(out.state.backward[0].c, expected.state.forward[0].c, rounding, "c");
}

BOOST_AUTO_TEST_CASE(no_steps) {
  nn::LSTM layer = make<nn::LSTM>(2, true);
  const nn::LSTM::State given{.forward = {{.h = full({2, 5}, 1), .c = full({2, 5}, 2)},
                                          {.h = full({2, 5}, 3), .c = full({2, 5}, 4)}},
                              .backward = {{.h = full({2, 5}, 5), .c = full({2, 5}, 6)},
                                           {.h = full({2, 5}, 7), .c = full({2, 5}, 8)}}};
  const auto out = layer(zeros({0, 2, 3}), {.initial = given});
  BOOST_TEST(out.outputs.shape() == (Shape{0, 2, 10}));
  const auto before = tensors_of(given);
  const auto after = tensors_of(out.state);
  BOOST_REQUIRE(after.size() == 8U);
  for (std::size_t i = 0; i < 8; ++i) BOOST_TEST(all_equal(after[i], before[i]));

  const auto from_nothing = layer(zeros({0, 2, 3}));
  for (const Tensor& s : tensors_of(from_nothing.state)) BOOST_TEST(all_equal(s, zeros({2, 5})));

  const std::vector<Index> none{0, 0};
  BOOST_TEST(layer(zeros({0, 2, 3}), {.lengths = none}).outputs.shape() == (Shape{0, 2, 10}));
}

BOOST_AUTO_TEST_CASE(no_rows) {
  nn::GRU layer = make<nn::GRU>(2, true);
  Tape tape;
  const auto out = layer(tape.watch(zeros({4, 0, 3})));
  BOOST_TEST(out.outputs.shape() == (Shape{4, 0, 10}));
  for (const Tensor& s : tensors_of(out.state)) BOOST_TEST(s.shape() == (Shape{0, 5}));
  const auto grads = tape.backward(sum(out.outputs));
  for (const auto& [path, p] : layer.parameters())
    BOOST_TEST(all_equal(grads[p], zeros(p.shape())));
}

BOOST_AUTO_TEST_CASE(one_of_everything) {
  nn::LSTM layer({.input = 1, .hidden = 1});
  layer.to(f64);
  const auto set = [&](const nn::Parameter& p, std::initializer_list<double> to) {
    unroll::detail::overwrite(p, from(std::span<const double>(to.begin(), to.size()), p.shape()),
                              "test");
  };
  const nn::LSTMCell& cell = layer.cell(0);
  set(cell.Wx, {0.5, -0.25, 0.75, 1.5});
  set(cell.Wh, {-0.5, 0.3, 0.2, -0.7});
  set(*cell.b, {0.1, 1.0, -0.2, 0.4});
  const double x = 0.8, h = -0.6, c = 0.9;
  const auto out =
      layer(full({1, 1, 1}, x, f64),
            {.initial = {.forward = {{.h = full({1, 1}, h, f64), .c = full({1, 1}, c, f64)}}}});
  const auto s = [](double v) { return 1 / (1 + std::exp(-v)); };
  const double i = s(0.5 * x - 0.5 * h + 0.1), f = s(-0.25 * x + 0.3 * h + 1.0);
  const double g = std::tanh(0.75 * x + 0.2 * h - 0.2), o = s(1.5 * x - 0.7 * h + 0.4);
  const double next = f * c + i * g;
  BOOST_TEST(out.state.forward[0].c.item() == next, boost::test_tools::tolerance(1e-15));
  BOOST_TEST(out.outputs.item() == o * std::tanh(next), boost::test_tools::tolerance(1e-15));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
