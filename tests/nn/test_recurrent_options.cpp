// What holds for every cell and every option of a layer: chunks are the whole, a row is itself
// alone, padding is without effect, rates of 0 as well.
#include <limits>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"
#include "support/recurrent_layers.h"

namespace unroll::test {
namespace {

constexpr double rounding = 1e-13;

void check_close(const Tensor& a, const Tensor& b, const std::string& what) {
  BOOST_TEST_CONTEXT(what)
  BOOST_TEST(disagreement(contiguous(a), contiguous(b), {.relative = rounding}) == "");
}

void check_all_close(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  BOOST_REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) check_close(a[i], b[i], "tensor " + std::to_string(i));
}

template <class Layer>
void prepare(Layer& layer) {
  layer.to(f64);
  randomize(layer, 6);
}

template <class Layer>
void chunks_are_the_whole(const Layer& layer) {
  const Tensor x = random_values({7, 3, 3}, 1);
  const auto whole = layer(x);
  typename Layer::State state;
  std::vector<Tensor> outputs;
  for (const auto& [from, to] :
       std::vector<std::pair<Index, Index>>{{0, 3}, {3, 3}, {3, 4}, {4, 7}}) {
    const auto out = layer(slice(x, {.from = from, .to = to}), {.initial = state});
    outputs.push_back(out.outputs);
    state = out.state;
  }
  check_close(concat(outputs, 0), whole.outputs, "outputs");
  check_all_close(tensors_of(state), tensors_of(whole.state));
}

template <class Layer>
void rows_are_themselves_alone(const Layer& layer) {
  const Tensor x = random_values({5, 4, 3}, 1);
  const std::vector<Index> lengths{5, 2, 0, 3};
  const auto together = layer(x, {.lengths = lengths});
  for (Index b = 0; b < 4; ++b) {
    const std::vector<Index> mine{lengths[static_cast<std::size_t>(b)]};
    const auto row = [&](const Tensor& y, Index axis) {
      return slice(y, {.axis = axis, .from = b, .to = b + 1});
    };
    const auto alone = layer(row(x, 1), {.lengths = mine});
    check_close(alone.outputs, row(together.outputs, 1), "outputs of row " + std::to_string(b));
    const auto all = tensors_of(together.state), one = tensors_of(alone.state);
    for (std::size_t i = 0; i < all.size(); ++i) check_close(one[i], row(all[i], 0), "state");
    const auto cut = layer(slice(row(x, 1), {.to = mine[0]}));
    check_all_close(tensors_of(cut.state), one);
  }
}

template <class Layer>
std::vector<Tensor> training_step(const Layer& layer, const Tensor& input,
                                  std::span<const Index> lengths) {
  seed(5);
  Tape tape;
  const Tensor x = tape.watch(input);
  const auto out = layer(x, {.lengths = lengths});
  std::vector<Tensor> all = tensors_of(detach(out.state));
  all.push_back(detach(out.outputs));
  const Tensor loss = weighted_sum(out);
  all.push_back(tape.gradient(loss, x, {.unreached = Unreached::zero}));
  const auto grads = tape.backward(loss);
  for (const auto& [path, p] : layer.parameters())
    all.push_back(grads.contains(p) ? grads[p] : zeros(p.shape(), p.dtype()));
  return all;
}

Tensor padded(std::span<const Index> lengths, double with) {
  auto all = values(random_values({5, 4, 3}, 9));
  for (std::size_t i = 0; i < all.size(); ++i)
    if (static_cast<Index>(i / 12) >= lengths[i / 3 % 4]) all[i] = with;
  return from(std::span<const double>(all), {5, 4, 3});
}

template <class Layer>
void padding_changes_no_bit(const Layer& layer) {
  for (const std::vector<Index>& lengths :
       {std::vector<Index>{5, 2, 0, 3}, std::vector<Index>{1, 4, 4, 2}}) {
    const auto plain = training_step(layer, padded(lengths, 0), lengths);
    for (const double garbage : {std::numeric_limits<double>::quiet_NaN(), 1e30}) {
      const auto found = training_step(layer, padded(lengths, garbage), lengths);
      for (std::size_t i = 0; i < found.size(); ++i)
        BOOST_TEST_CONTEXT("tensor " << i) BOOST_TEST(all_equal(found[i], plain[i]));
    }
    const auto outputs = layer(padded(lengths, 1), {.lengths = lengths}).outputs;
    for (Index b = 0; b < 4; ++b)
      for (Index t = lengths[static_cast<std::size_t>(b)]; t < 5; ++t)
        for (const double v : values(select(select(outputs, 0, t), 0, b))) BOOST_TEST(v == 0.0);
  }
}

// In all directions and with everything that goes between layers.
template <class C>
void check_cell(const typename C::Options& cell = {}) {
  using Layer = nn::Recurrent<C>;
  Layer one({.input = 3, .hidden = 4, .layers = 2, .learn_initial = true, .cell = cell});
  prepare(one);
  chunks_are_the_whole(one);
  rows_are_themselves_alone(one);
  padding_changes_no_bit(one);
  for (const nn::Join join : {nn::Join::concat, nn::Join::sum})
    for (const nn::Skip skip : {nn::Skip::residual, nn::Skip::highway}) {
      Layer both({.input = 3,
                  .hidden = 4,
                  .layers = 3,
                  .bidirectional = true,
                  .join = join,
                  .skip = skip,
                  .learn_initial = true,
                  .cell = cell});
      prepare(both);
      rows_are_themselves_alone(both);
      padding_changes_no_bit(both);
      Layer dropped({.input = 3,
                     .hidden = 4,
                     .layers = 3,
                     .bidirectional = true,
                     .join = join,
                     .skip = skip,
                     .learn_initial = true,
                     .dropout = 0.4,
                     .cell = cell});
      prepare(dropped);
      padding_changes_no_bit(dropped);
    }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(recurrent_options)

BOOST_AUTO_TEST_CASE(rnn) { check_cell<nn::RNNCell>(); }
BOOST_AUTO_TEST_CASE(lstm_with_projection) { check_cell<nn::LSTMCell>({.projection = 2}); }
BOOST_AUTO_TEST_CASE(peepholes) { check_cell<nn::PeepholeLSTMCell>(); }
BOOST_AUTO_TEST_CASE(coupled) { check_cell<nn::CoupledLSTMCell>(); }
BOOST_AUTO_TEST_CASE(layer_norm_lstm) { check_cell<nn::LayerNormLSTMCell>(); }
BOOST_AUTO_TEST_CASE(reset_first) { check_cell<nn::ResetFirstGRUCell>(); }
BOOST_AUTO_TEST_CASE(minimal_gated_unit) { check_cell<nn::MGUCell>(); }
BOOST_AUTO_TEST_CASE(wrapped) {
  using C = nn::Zoneout<nn::VariationalDropout<nn::WeightDrop<nn::LayerNormed<nn::GRUCell>>>>;
  check_cell<C>(
      {.h_rate = 0.2, .cell = {.input_rate = 0.3, .state_rate = 0.2, .cell = {.rate = 0.3}}});
}
BOOST_AUTO_TEST_CASE(stacked) { check_cell<nn::Stack<nn::GRUCell, nn::LSTMCell>>(); }

// Whatever flows back to a padded output is not looked at, on no way through the layers.
BOOST_AUTO_TEST_CASE(what_comes_back_to_padding_is_dropped) {
  for (const nn::Skip skip : {nn::Skip::none, nn::Skip::residual, nn::Skip::highway}) {
    nn::LSTM layer({.input = 3,
                    .hidden = 4,
                    .layers = 3,
                    .bidirectional = true,
                    .join = nn::Join::sum,
                    .skip = skip,
                    .learn_initial = true});
    prepare(layer);
    const std::vector<Index> lengths{2, 5, 0, 3};
    const auto gradients = [&](double at_padding) {
      auto upstream = values(random_values({5, 4, 4}, 3));
      for (std::size_t i = 0; i < upstream.size(); ++i)
        if (static_cast<Index>(i / 16) >= lengths[i / 4 % 4]) upstream[i] = at_padding;
      Tape tape;
      const Tensor x = tape.watch(padded(lengths, 0));
      std::vector<Tensor> leaves{x};
      for (const auto& [path, p] : layer.parameters()) leaves.push_back(p);
      return tape.gradient(layer(x, {.lengths = lengths}).outputs, leaves,
                           {.upstream = from(std::span<const double>(upstream), {5, 4, 4})});
    };
    const auto expected = gradients(0);
    for (const double garbage : {std::numeric_limits<double>::quiet_NaN(), 1e200}) {
      const auto found = gradients(garbage);
      for (std::size_t i = 0; i < found.size(); ++i)
        BOOST_TEST_CONTEXT("gradient " << i) BOOST_TEST(all_equal(found[i], expected[i]));
    }
  }
}

BOOST_AUTO_TEST_CASE(no_dropout_changes_no_bit) {
  for (Index layers = 1; layers <= 4; ++layers) {
    nn::LSTM plain({.input = 3, .hidden = 4, .layers = layers});
    nn::LSTM none({.input = 3, .hidden = 4, .layers = layers, .dropout = 0});
    nn::LSTM quiet({.input = 3, .hidden = 4, .layers = layers, .dropout = 0.5});
    nn::copy_values(plain, none);
    nn::copy_values(plain, quiet);
    quiet.eval();
    const Tensor x = random_values({4, 2, 3}, 1, f32);
    const auto expected = training_step(plain, x, {});
    for (const auto& found : {training_step(none, x, {}), training_step(quiet, x, {})})
      for (std::size_t i = 0; i < found.size(); ++i) BOOST_TEST(all_equal(found[i], expected[i]));
  }
}

BOOST_AUTO_TEST_CASE(learned_initial_states) {
  nn::LSTM layer({.input = 2,
                  .hidden = 3,
                  .layers = 2,
                  .bidirectional = true,
                  .learn_initial = true,
                  .cell = {.projection = 2}});
  std::vector<std::string> names;
  for (const auto& [path, p] : layer.parameters())
    if (path.find("initial") != std::string::npos) {
      names.push_back(path);
      BOOST_TEST(p.shape() == (path.ends_with(".h") ? Shape{2} : Shape{3}));
      BOOST_TEST(all_equal(p, zeros(p.shape())));
    }
  const std::vector<std::string> expected{
      "0.forward_initial.h", "0.forward_initial.c", "0.backward_initial.h", "0.backward_initial.c",
      "1.forward_initial.h", "1.forward_initial.c", "1.backward_initial.h", "1.backward_initial.c"};
  BOOST_TEST(names == expected, boost::test_tools::per_element());
  randomize(layer, 3);
  // It is the state of rows that have no step, and what is given takes its place.
  const std::vector<Index> lengths{0, 0};
  const auto start = layer(zeros({4, 2, 2}), {.lengths = lengths}).state;
  BOOST_TEST(!all_equal(start.backward[1].c, zeros({2, 3})).ok());
  const Tensor x = random_values({4, 2, 2}, 1, f32);
  BOOST_TEST(all_equal(layer(x, {.initial = start}).outputs, layer(x).outputs));
  const auto own =
      layer(x, {.initial = map_tensors(start, [](const Tensor& t) { return zeros_like(t); })})
          .outputs;
  BOOST_TEST(!all_equal(own, layer(x).outputs).ok());
}

// A start that is not 0, in a state without names, is where learning begins.
struct Counter : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
  };
  struct State {
    Tensor sum;
    Tensor ids;  // i64: cannot be learned
  };
  explicit Counter(Options o) : options(o) {}
  const Options options;
  State initial_state(Index batch) const {
    return {.sum = full({batch, options.hidden}, 3), .ids = full({batch}, 4, i64)};
  }
  State step(const Tensor& x, const State& s) const { return {.sum = s.sum + x, .ids = s.ids}; }
  Tensor output(const State& s) const { return s.sum; }
};

BOOST_AUTO_TEST_CASE(learned_initial_state_of_a_cell_of_ones_own) {
  nn::Recurrent<Counter> layer({.input = 2, .hidden = 2, .learn_initial = true});
  BOOST_REQUIRE(layer.parameters().size() == 1);
  for (const auto& [path, p] : layer.parameters()) {
    BOOST_TEST(path == "0.forward_initial.0");
    BOOST_TEST(all_equal(p, full({2}, 3)));
    Tape tape;
    const auto out = layer(ones({2, 5, 2}));
    BOOST_TEST(all_equal(out.state.forward[0].ids, full({5}, 4, i64)));
    BOOST_TEST(all_equal(out.outputs, concat({full({1, 5, 2}, 4), full({1, 5, 2}, 5)}, 0)));
    BOOST_TEST(all_equal(tape.gradient(sum(out.outputs), p), full({2}, 10)));
  }
}

// By the names that every error gives to the fields of a state.
BOOST_AUTO_TEST_CASE(initial_state_of_a_cell_of_ones_own_is_named) {
  const nn::Recurrent<Counter> layer({.input = 2, .hidden = 2});
  const std::string text = error_text([&] {
    static_cast<void>(layer(ones({2, 5, 2}),
                            {.initial = {.forward = {{.sum = zeros({5, 2}), .ids = zeros({4})}}}}));
  });
  BOOST_TEST(text.find("initial.forward[0].ids f32 [4]; needed [5, …]") != std::string::npos, text);
}

BOOST_AUTO_TEST_CASE(highway_starts_by_carrying) {
  nn::GRU layer({.input = 2, .hidden = 3, .layers = 2, .skip = nn::Skip::highway});
  for (const auto& [path, p] : layer.parameters())
    if (path == "1.highway.b") BOOST_TEST(all_equal(p, full({3}, -1)));
  nn::GRU residual({.input = 2, .hidden = 3, .layers = 2, .skip = nn::Skip::residual});
  nn::GRU plain({.input = 2, .hidden = 3, .layers = 2});
  nn::copy_values(plain, residual);
  const Tensor x = random_values({3, 2, 2}, 1, f32);
  nn::GRU first({.input = 2, .hidden = 3});
  const auto from_all = plain.parameters();
  for (const auto& [path, p] : first.parameters())
    for (const auto& [of_plain, value] : from_all)
      if (of_plain == path) unroll::detail::overwrite(p, value, "test");
  BOOST_TEST(all_equal(residual(x).outputs, first(x).outputs + plain(x).outputs));
}

// Dropout is of what a cell gets, not of what goes around it.
BOOST_AUTO_TEST_CASE(what_goes_around_a_layer_is_not_dropped) {
  nn::RNN layer({.input = 2, .hidden = 3, .layers = 2, .skip = nn::Skip::residual, .dropout = 0.5});
  nn::RNN first({.input = 2, .hidden = 3});
  const auto of_first = first.parameters();
  for (const auto& [path, p] : layer.parameters()) {
    unroll::detail::overwrite(p, zeros(p.shape()), "test");
    for (const auto& [name, value] : of_first)
      if (name == path) unroll::detail::overwrite(p, value, "test");
  }
  const Tensor x = random_values({4, 3, 2}, 1, f32);
  Tape tape;
  BOOST_TEST(all_equal(layer(x).outputs, first(x).outputs));
}

BOOST_AUTO_TEST_CASE(projection_is_drawn_as_the_weights_of_the_input) {
  const nn::LSTMCell cell({.input = 3, .hidden = 3, .projection = 3, .init = init::identity(0.5)});
  BOOST_TEST(all_equal(*cell.Wp, 0.5 * eye(3)));
}

BOOST_AUTO_TEST_CASE(irnn) {
  nn::RNN layer(
      {.input = 2,
       .hidden = 3,
       .cell = {.nonlinearity = nn::Nonlinearity::relu, .recurrent_init = init::identity()}});
  BOOST_TEST(all_equal(layer.cell(0).Wh, eye(3)));
  const nn::LSTMCell lstm({.input = 2, .hidden = 3, .recurrent_init = init::identity(0.5)});
  for (const Tensor& gate : split<4>(lstm.Wh, 1))
    BOOST_TEST(all_equal(contiguous(gate), 0.5 * eye(3)));
  check_text(
      [] {
        nn::LSTMCell(
            {.input = 2, .hidden = 3, .projection = 2, .recurrent_init = init::identity()});
      },
      "[init::identity] shape [2, 3]; needed a square matrix");
}

BOOST_AUTO_TEST_CASE(states_of_projected_cells_are_checked) {
  nn::LSTM layer({.input = 2, .hidden = 3, .cell = {.projection = 2}});
  const Tensor h = zeros({4, 2}), c = zeros({4, 3}), x = zeros({1, 4, 2});
  BOOST_TEST(layer(x, {.initial = {.forward = {{.h = h, .c = c}}}}).outputs.shape() ==
             (Shape{1, 4, 2}));
  check_text([&] { static_cast<void>(layer(x, {.initial = {.forward = {{.h = c, .c = c}}}})); },
             "[lstm] initial.forward[0].h f32 [4, 3]; needed f32 [4, 2]");
  check_text([&] { static_cast<void>(layer(x, {.initial = {.forward = {{.h = h, .c = h}}}})); },
             "[lstm] initial.forward[0].c f32 [4, 2]; needed f32 [4, 3]");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
