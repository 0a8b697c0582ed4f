// Wrappers of cells: what they draw, what they leave alone, what they are made of.
#include <set>

#include <boost/test/unit_test.hpp>

#include "nn/own_cell.h"
#include "support/error_text.h"
#include "support/numeric.h"
#include "support/recurrent_layers.h"

namespace unroll::test {
namespace {

// Remembers what it was given; no parameter but one that names its dtype.
struct Echo : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
  };
  struct State {
    Tensor h, c;
  };
  explicit Echo(Options o) : options(o) {}
  const Options options;

  State step(const Tensor& x, const State& s) const { return {.h = x, .c = s.h}; }
};

static_assert(nn::Cell<nn::Zoneout<Echo>> && nn::Cell<nn::VariationalDropout<Echo>> &&
              nn::Cell<nn::WeightDrop<Simple>> && nn::Cell<nn::LayerNormed<Simple>> &&
              nn::Cell<nn::Stack<nn::GRUCell, Simple>> &&
              nn::Cell<nn::Zoneout<nn::Stack<nn::GRUCell, Simple>>>);

template <class Layer>
Tensor weight_gradient(const Layer& layer, const Tensor& x, const Tensor& weight) {
  Tape tape;
  return tape.gradient(sum(layer(x).outputs), weight);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(wrappers)

// Each element is the old one or the new one; the shares are right; each step draws anew.
BOOST_AUTO_TEST_CASE(zoneout_keeps_or_changes) {
  nn::Recurrent<nn::Zoneout<Echo>> layer(
      {.input = 50, .hidden = 50, .cell = {.h_rate = 0.25, .c_rate = 0.5}});
  const Tensor x = random_values({3, 40, 50}, 1, f32);
  const Tensor h0 = full({40, 50}, 2), c0 = full({40, 50}, 3);
  Tape tape;
  const auto out = layer(x, {.initial = {.forward = {{.h = h0, .c = c0}}}});
  std::vector<double> before = values(h0);
  std::vector<std::vector<bool>> kept;
  for (Index t = 0; t < 3; ++t) {
    const auto now = values(select(out.outputs, 0, t)), given = values(select(x, 0, t));
    kept.emplace_back();
    Index count = 0;
    for (std::size_t i = 0; i < now.size(); ++i) {
      const bool stays = now[i] == before[i];
      BOOST_TEST((stays || now[i] == given[i]));
      kept.back().push_back(stays);
      count += stays;
    }
    BOOST_TEST(count > 400);  // of 2000, expected 500 with deviation 19
    BOOST_TEST(count < 600);
    before = now;
  }
  BOOST_TEST((kept[0] != kept[1] && kept[1] != kept[2]));
  Index threes = 0;  // after three steps at 0.5: an eighth
  for (const double v : values(out.state.forward[0].c)) threes += v == 3;
  BOOST_TEST(threes > 150);
  BOOST_TEST(threes < 350);
}

BOOST_AUTO_TEST_CASE(zoneout_expects_without_training) {
  nn::Recurrent<nn::Zoneout<Echo>> layer(
      {.input = 2, .hidden = 2, .cell = {.h_rate = 0.25, .c_rate = 0.5}});
  const Tensor x = ones({1, 1, 2});
  const nn::RecurrentState<Echo::State> given{
      .forward = {{.h = full({1, 2}, 2), .c = full({1, 2}, 4)}}};
  const auto check = [&] {
    const auto out = layer(x, {.initial = given});
    BOOST_TEST(all_equal(out.outputs, full({1, 1, 2}, 1.25)));
    BOOST_TEST(all_equal(out.state.forward[0].c, full({1, 2}, 3)));
  };
  check();
  layer.eval();
  Tape tape;
  check();
}

BOOST_AUTO_TEST_CASE(zoneout_around_a_stack) {
  nn::Recurrent<nn::Zoneout<nn::Stack<Echo, Echo>>> layer(
      {.input = 2, .hidden = 2, .cell = {.h_rate = 0.25, .c_rate = 0.5}});
  const Echo::State one{.h = full({1, 2}, 2), .c = full({1, 2}, 4)};
  const auto state = layer(ones({1, 1, 2}), {.initial = {.forward = {{one, one}}}}).state;
  const auto& [low, high] = state.forward[0];
  for (const Echo::State& s : {low, high}) {
    BOOST_TEST(all_equal(s.h, full({1, 2}, 1.25)));
    BOOST_TEST(all_equal(s.c, full({1, 2}, 3)));
  }
}

// One mask for a sequence, another for the next; each row its own; 0 or 1 / (1 - rate).
BOOST_AUTO_TEST_CASE(variational_dropout_draws_once_for_a_sequence) {
  nn::Recurrent<nn::VariationalDropout<Echo>> layer(
      {.input = 30, .hidden = 30, .cell = {.input_rate = 0.5, .state_rate = 0.75}});
  const Tensor x = ones({4, 20, 30});
  BOOST_TEST(all_equal(layer(x).outputs, x));
  Tape tape;
  const auto first = layer(x), second = layer(x);
  const Tensor mask = contiguous(select(first.outputs, 0, 0));
  std::set<double> of_mask;
  for (const double v : values(mask)) of_mask.insert(v);
  BOOST_TEST((of_mask == std::set<double>{0, 2}));
  for (Index t = 1; t < 4; ++t)
    BOOST_TEST(all_equal(contiguous(select(first.outputs, 0, t)), mask));
  BOOST_TEST(!all_equal(contiguous(select(mask, 0, 0)), contiguous(select(mask, 0, 1))).ok());
  BOOST_TEST(!all_equal(second.outputs, first.outputs).ok());
  // c is the h of the step before as it was seen: under the mask of the states.
  std::set<double> seen;
  for (const double v : values(first.state.forward[0].c)) seen.insert(v);
  BOOST_TEST((seen == std::set<double>{0, 8}));
}

// A GRU carries its h by itself: the mask is where the product sees it, and nothing grows or
// decays.
BOOST_AUTO_TEST_CASE(variational_dropout_leaves_what_a_cell_carries) {
  nn::Recurrent<nn::VariationalDropout<nn::GRUCell>> layer(
      {.input = 1, .hidden = 8, .cell = {.state_rate = 0.5}});
  for (const auto& [path, p] : layer.parameters())
    unroll::detail::overwrite(p, zeros(p.shape()), "test");
  // z = σ(50): h stays.
  unroll::detail::overwrite(*layer.cell(0).b, concat({zeros({8}), full({8}, 50), zeros({8})}, 0),
                            "test");
  const Tensor h = random_values({2, 8}, 1, f32);
  Tape tape;
  const auto out = layer(zeros({40, 2, 1}), {.initial = {.forward = {{.h = h}}}});
  BOOST_TEST(all_close(out.state.forward[0].h, h, {.relative = 1e-5}));
}

// With inputs of 0 and h = 1, a unit's sum is that of its column of Wh.
BOOST_AUTO_TEST_CASE(variational_dropout_masks_what_the_product_sees) {
  nn::Recurrent<nn::VariationalDropout<nn::RNNCell>> layer(
      {.input = 1,
       .hidden = 6,
       .cell = {.state_rate = 0.5, .cell = {.nonlinearity = nn::Nonlinearity::relu}}});
  unroll::detail::overwrite(layer.cell(0).Wh, eye(6), "test");
  Tape tape;
  const auto out =
      layer(zeros({3, 30, 1}), {.initial = {.forward = {{.h = ones({30, 6})}}}}).outputs;
  const auto once = values(select(out, 0, 0)), thrice = values(select(out, 0, 2));
  Index dropped = 0;
  for (std::size_t i = 0; i < once.size(); ++i) {
    BOOST_TEST((once[i] == 0 || once[i] == 2));
    BOOST_TEST(thrice[i] == once[i] * once[i] * once[i]);
    dropped += once[i] == 0;
  }
  BOOST_TEST(dropped > 55);  // of 180, expected 90 with deviation 7
  BOOST_TEST(dropped < 125);
}

// The candidate of a GRU that resets first has a product of its own, under the same mask.
BOOST_AUTO_TEST_CASE(variational_dropout_masks_both_products) {
  nn::Recurrent<nn::VariationalDropout<nn::ResetFirstGRUCell>> layer(
      {.input = 1, .hidden = 6, .cell = {.state_rate = 0.5}});
  const auto& cell = layer.cell(0);
  const Tensor none = zeros({6, 6});
  unroll::detail::overwrite(cell.Wh, concat({none, none, eye(6)}, 1), "test");
  const Tensor b = concat({full({6}, 80), full({6}, -80), zeros({6})}, 0);  // r = 1, z = 0
  unroll::detail::overwrite(*cell.b, b, "test");
  Tape tape;
  const auto out = layer(zeros({1, 30, 1}), {.initial = {.forward = {{.h = full({30, 6}, 0.25)}}}});
  Index dropped = 0;
  for (const double v : values(out.outputs)) {
    const bool gone = std::abs(v) < 1e-6;
    BOOST_TEST((gone || std::abs(v - std::tanh(0.5)) < 1e-6));
    dropped += gone;
  }
  BOOST_TEST(dropped > 55);  // of 180, expected 90 with deviation 7
  BOOST_TEST(dropped < 125);
}

BOOST_AUTO_TEST_CASE(eval_quiets_wrappers_under_a_tape) {
  nn::GRU plain({.input = 3, .hidden = 4, .layers = 2});
  nn::Recurrent<nn::VariationalDropout<nn::WeightDrop<nn::GRUCell>>> layer(
      {.input = 3,
       .hidden = 4,
       .layers = 2,
       .cell = {.input_rate = 0.5, .state_rate = 0.5, .cell = {.rate = 0.5}}});
  nn::copy_values(plain, layer);
  const Tensor x = random_values({3, 2, 3}, 1, f32);
  Tape tape;
  BOOST_TEST(!all_equal(layer(x).outputs, plain(x).outputs).ok());
  layer.eval();
  BOOST_TEST(all_equal(layer(x).outputs, plain(x).outputs));
}

// What is dropped stays dropped for the whole sequence: no gradient, and the others one scaled.
template <class C>
void check_weight_drop() {
  nn::Recurrent<nn::WeightDrop<C>> layer({.input = 2, .hidden = 10, .cell = {.rate = 0.4}});
  layer.to(f64);
  randomize(layer, 3);
  const Tensor x = random_values({5, 3, 2}, 1);
  const Tensor& Wh = layer.cell(0).Wh;
  const auto gradient = values(weight_gradient(layer, x, Wh));
  const auto share = static_cast<double>(std::count(gradient.begin(), gradient.end(), 0.0)) /
                     static_cast<double>(gradient.size());
  BOOST_TEST(share > 0.2);
  BOOST_TEST(share < 0.6);
  // The same numbers from a plain layer that has the dropped weight for its own.
  nn::Recurrent<C> plain({.input = 2, .hidden = 10});
  plain.to(f64);
  nn::copy_values(layer, plain);
  auto dropped = values(Wh);
  for (std::size_t i = 0; i < dropped.size(); ++i)
    dropped[i] = gradient[i] == 0 ? 0 : dropped[i] / 0.6;
  unroll::detail::overwrite(plain.cell(0).Wh, from(std::span<const double>(dropped), Wh.shape()),
                            "test");
  const auto expected = values(weight_gradient(plain, x, plain.cell(0).Wh));
  double largest = 0;
  for (const double g : expected) largest = std::max(largest, std::abs(g));
  for (std::size_t i = 0; i < dropped.size(); ++i)
    if (gradient[i] != 0) BOOST_TEST(std::abs(gradient[i] - expected[i] / 0.6) < 1e-12 * largest);
  const Tensor quiet = layer(x).outputs;
  nn::copy_values(layer, plain);
  BOOST_TEST(all_equal(quiet, plain(x).outputs));
}
BOOST_AUTO_TEST_CASE(weight_drop_lstm) { seed(3), check_weight_drop<nn::LSTMCell>(); }
BOOST_AUTO_TEST_CASE(weight_drop_mgu) { seed(4), check_weight_drop<nn::MGUCell>(); }
BOOST_AUTO_TEST_CASE(weight_drop_own) { seed(5), check_weight_drop<Simple>(); }

// The outermost acts first on inputs and last on states.
BOOST_AUTO_TEST_CASE(order) {
  const Tensor x = ones({1, 30, 20});
  Tape tape;
  nn::Recurrent<nn::Zoneout<nn::VariationalDropout<Echo>>> outer_zone(
      {.input = 20, .hidden = 20, .cell = {.h_rate = 0.5, .cell = {.state_rate = 0.5}}});
  const nn::RecurrentState<Echo::State> given{
      .forward = {{.h = full({30, 20}, 7), .c = full({30, 20}, 7)}}};
  std::set<double> kept;
  for (const double v : values(outer_zone(x, {.initial = given}).outputs)) kept.insert(v);
  BOOST_TEST((kept == std::set<double>{1, 7}));  // what is kept was not masked
  nn::Recurrent<nn::VariationalDropout<nn::Zoneout<Echo>>> inner_zone(
      {.input = 20, .hidden = 20, .cell = {.state_rate = 0.5, .cell = {.h_rate = 0.5}}});
  kept.clear();
  for (const double v : values(inner_zone(x, {.initial = given}).outputs)) kept.insert(v);
  BOOST_TEST((kept == std::set<double>{0, 1, 14}));  // what is kept was masked before
}

BOOST_AUTO_TEST_CASE(layer_normed_cell_of_ones_own) {
  nn::Recurrent<nn::LayerNormed<Simple>> layer({.input = 2, .hidden = 3});
  layer.to(f64);
  randomize(layer, 3);
  const auto& cell = layer.cell(0);
  const Tensor x = random_values({1, 2, 2}, 1), h = random_values({2, 3}, 2);
  const Tensor expected = tanh(matmul(cell.norm_input(select(x, 0, 0)), cell.Wx) +
                               matmul(cell.norm_recurrent[0](h), cell.Wh));
  const auto out = layer(x, {.initial = {.forward = {{.h = h}}}});
  BOOST_TEST(disagreement(out.state.forward[0].h, expected, {.relative = 1e-14}) == "");
}

BOOST_AUTO_TEST_CASE(one_step_by_itself_has_the_wrapper) {
  const nn::Zoneout<nn::LSTMCell> cell({.input = 2, .hidden = 3, .h_rate = 0.5});
  const Tensor x = random_values({4, 2}, 1, f32);
  const nn::LSTMState s{.h = full({4, 3}, 2), .c = zeros({4, 3})};
  const nn::LSTMCell& inner = cell;
  const Tensor plain = inner(x, s).h;
  BOOST_TEST(all_close(cell(x, s).h, 0.5 * plain + 1.0, {.relative = 1e-6}));
}

BOOST_AUTO_TEST_CASE(names_of_parameters) {
  nn::Recurrent<nn::Stack<nn::LayerNormed<nn::GRUCell>, nn::LSTMCell>> layer(
      {.input = 2, .hidden = 3, .learn_initial = true});
  std::vector<std::string> paths;
  for (const auto& [path, p] : layer.parameters()) paths.push_back(path);
  const std::vector<std::string> expected{
      "0.forward.0.Wx",
      "0.forward.0.Wh",
      "0.forward.0.b",
      "0.forward.0.norm_input.weight",
      "0.forward.0.norm_input.bias",
      "0.forward.0.norm_recurrent.0.weight",
      "0.forward.0.norm_recurrent.0.bias",
      "0.forward.1.Wx",
      "0.forward.1.Wh",
      "0.forward.1.b",
      "0.forward_initial.0",
      "0.forward_initial.1",
      "0.forward_initial.2",
  };
  BOOST_TEST(paths == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(texts) {
  check_text(
      [] {
        nn::Recurrent<nn::Zoneout<nn::LSTMCell>>({.input = 2, .hidden = 3, .cell = {.h_rate = 1}});
      },
      "[zoneout] h_rate 1.000000; needed 0 <= h_rate < 1");
  check_text([] { nn::Zoneout<nn::LSTMCell>({.input = 2, .hidden = 3, .c_rate = -1}); },
             "[zoneout] c_rate -1.000000; needed 0 <= c_rate < 1");
  check_text(
      [] { nn::VariationalDropout<nn::LSTMCell>({.input = 2, .hidden = 3, .input_rate = 2}); },
      "[variational_dropout] input_rate 2.000000; needed 0 <= input_rate < 1");
  check_text(
      [] { nn::VariationalDropout<nn::LSTMCell>({.input = 2, .hidden = 3, .state_rate = 2}); },
      "[variational_dropout] state_rate 2.000000; needed 0 <= state_rate < 1");
  check_text([] { nn::WeightDrop<nn::LSTMCell>({.input = 2, .hidden = 3, .rate = 1}); },
             "[weight_drop] rate 1.000000; needed 0 <= rate < 1");
  check_text([] { nn::WeightDrop<nn::LSTMCell>({.input = 2, .hidden = 3, .cell = {.hidden = 4}}); },
             "[lstm] cell.hidden is 4, the layer needs 3; needed cell sizes left to the layer; "
             "hint: leave "
             ".cell.hidden out");
  check_text([] { nn::Recurrent<Simple>({.input = 2, .hidden = 3, .biases = 2}); },
             "[recurrent] biases is 2; needed a cell with such an option; hint: leave .biases out");
  check_text([] { nn::LSTM({.input = 2, .hidden = 3, .cell = {.projection = -1}}); },
             "[lstm] projection is -1; needed the size of h, or 0 for none");
  check_text([] { nn::MGUCell({.input = 2}); },
             "[mgu] hidden is 0; needed hidden > 0; hint: nn::Recurrent<nn::MGUCell> mgu({.input = "
             "65, .hidden = 128})");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
