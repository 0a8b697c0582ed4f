// Wrappers within wrappers: whose mask, whose norm, whose size a recurrent product gets.
#include <set>

#include <boost/test/unit_test.hpp>

#include "support/numeric.h"
#include "support/recurrent_layers.h"

namespace unroll::test {

BOOST_AUTO_TEST_SUITE(wrapped_products)

// A mask within another: both count.
BOOST_AUTO_TEST_CASE(variational_dropout_twice) {
  nn::Recurrent<nn::VariationalDropout<nn::VariationalDropout<nn::RNNCell>>> layer(
      {.input = 1,
       .hidden = 6,
       .cell = {.state_rate = 0.5,
                .cell = {.state_rate = 0.75, .cell = {.nonlinearity = nn::Nonlinearity::relu}}}});
  unroll::detail::overwrite(layer.cell(0).Wh, eye(6), "test");
  Tape tape;
  const auto out = layer(zeros({1, 30, 1}), {.initial = {.forward = {{.h = ones({30, 6})}}}});
  std::set<double> found;
  for (const double v : values(out.outputs)) found.insert(v);
  BOOST_TEST((found == std::set<double>{0, 8}));
}

// Equal elements normalise to 0; those of a masked state are not equal.
BOOST_AUTO_TEST_CASE(variational_dropout_masks_before_a_norm) {
  nn::Recurrent<nn::VariationalDropout<nn::LayerNormed<nn::RNNCell>>> layer(
      {.input = 1, .hidden = 6, .cell = {.state_rate = 0.5}});
  unroll::detail::overwrite(layer.cell(0).Wh, eye(6), "test");
  const Tensor x = zeros({1, 30, 1});
  const nn::RecurrentState<nn::RNNState> given{.forward = {{.h = ones({30, 6})}}};
  BOOST_TEST(all_equal(layer(x, {.initial = given}).outputs, zeros({1, 30, 6})));
  Tape tape;
  Index changed = 0;
  for (const double v : values(layer(x, {.initial = given}).outputs)) changed += v != 0;
  BOOST_TEST(changed > 120);  // a row stays where all or none are dropped: one in 32
}

// A norm for each product of h.
BOOST_AUTO_TEST_CASE(layer_normed_products) {
  nn::LayerNormed<nn::MGUCell> cell({.input = 2, .hidden = 3});
  cell.to(f64);
  randomize(cell, 3);
  const Tensor x = random_values({2, 2}, 1), h = random_values({2, 3}, 2);
  const auto [gate, candidate] = split<2>(cell.norm_input(matmul(x, cell.Wx)) + *cell.b, 1);
  const auto [W_gate, W_candidate] = split<2>(cell.Wh, 1);
  const Tensor f = sigmoid(gate + cell.norm_recurrent[0](matmul(h, W_gate)));
  const Tensor n = tanh(candidate + cell.norm_recurrent[1](matmul(f * h, W_candidate)));
  BOOST_TEST(disagreement(cell(x, {.h = h}).h, h + f * (n - h), {.relative = 1e-13}) == "");
}

BOOST_AUTO_TEST_CASE(biases_of_a_wrapped_cell) {
  const nn::Recurrent<nn::Zoneout<nn::WeightDrop<nn::LSTMCell>>> layer(
      {.input = 2, .hidden = 3, .biases = 2});
  BOOST_TEST(layer.cell(0).b_recurrent.has_value());
}

// What a cell of a Stack reads is as wide as the output below.
BOOST_AUTO_TEST_CASE(stack_on_a_projection) {
  const nn::Stack<nn::LSTMCell, nn::GRUCell> cell(
      {.input = 2, .hidden = 3, .cell = {{.projection = 2}, {}}});
  BOOST_TEST(cell.cell<1>().Wx.shape() == (Shape{2, 9}));
  const Tensor x = random_values({4, 2}, 1, f32);
  const auto before = nn::initial_state(cell, 4);
  const nn::LSTMState low = cell.cell<0>()(x, std::get<0>(before));
  const nn::GRUState high = cell.cell<1>()(low.h, std::get<1>(before));
  const auto after = cell(x, before);
  BOOST_TEST(all_equal(std::get<0>(after).h, low.h));
  BOOST_TEST(all_equal(std::get<1>(after).h, high.h));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
