// Cells as the documentation writes them, compiled as they stand there and checked by differences.
#include <unroll/unroll.h>

#include <boost/test/unit_test.hpp>

#include "support/numeric.h"
#include "support/recurrent_layers.h"

namespace {
using namespace unroll;

// multiplicative LSTM: the recurrent input is (x·Wm) * (h·Um)
constexpr auto mlstm = [](auto i, auto f, auto g, auto o, auto c0) {
  auto c1 = sigmoid(f) * c0 + sigmoid(i) * tanh(g);
  return std::tuple{sigmoid(o) * tanh(c1), c1};
};

struct MultiplicativeCell : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
    double forget_bias = 1;
  };
  struct State {
    Tensor h, c;
  };
  struct Weights {
    Tensor Um, Wh;
  };

  explicit MultiplicativeCell(Options o) : options(o) {}
  const Options options;
  const Index n = options.hidden;
  nn::Parameter Wx{*this, "Wx", {options.input, 5 * n}, init::xavier()};
  nn::Parameter Um{*this, "Um", {n, n}, init::orthogonal()};
  nn::Parameter Wh{*this, "Wh", {n, 4 * n}, init::orthogonal()};
  nn::Parameter b{*this,
                  "b",
                  {5 * n},
                  init::forget_bias({.at = 2 * n, .size = n, .value = options.forget_bias})};

  Weights begin(Index /*batch*/) const { return {.Um = Um, .Wh = Wh}; }  // once per sequence
  Tensor project(const Tensor& x) const {
    return affine(x, Wx, b);
  }  // once per sequence: [T, B, 5n]
  State step(const Tensor& p, const State& s, const Weights& w) const {  // once per time step
    auto [m, gates] = split(p, {n, 4 * n}, -1);
    auto [i, f, g, o] = split<4>(gates + matmul(m * matmul(s.h, w.Um), w.Wh), -1);
    auto [h, c] = pointwise(mlstm, i, f, g, o, s.c);
    return {.h = h, .c = c};
  }
};
static_assert(nn::Cell<MultiplicativeCell>);

constexpr auto peephole_lstm = [](auto i, auto f, auto g, auto o, auto c0, auto pi, auto pf) {
  auto c1 = sigmoid(f + pf * c0) * c0 + sigmoid(i + pi * c0) * tanh(g);
  return std::tuple{sigmoid(o) * tanh(c1), c1};
};

struct PeepholeCell : nn::Module {  // a user's cell
  struct Options {
    Index input = 0, hidden = 0;
  };
  using State = nn::LSTMState;  // { h, c }
  explicit PeepholeCell(Options o) : options(o) {}
  const Options options;
  nn::Parameter Wx{*this, "Wx", {options.input, 4 * options.hidden}, init::xavier()};
  nn::Parameter Wh{*this, "Wh", {options.hidden, 4 * options.hidden}, init::orthogonal()};
  nn::Parameter b{*this, "b", {4 * options.hidden}, init::zeros()};
  nn::Parameter pi{*this, "pi", {options.hidden}, init::normal(1)};
  nn::Parameter pf{*this, "pf", {options.hidden}, init::normal(1)};
  Tensor project(const Tensor& x) const { return affine(x, Wx, b); }
  State step(const Tensor& gates, const State& s) const {
    auto [i, f, g, o] = split<4>(gates + matmul(s.h, Wh), -1);
    auto [h, c] = pointwise(peephole_lstm, i, f, g, o, s.c, pi, pf);
    return {.h = h, .c = c};
  }
};
static_assert(nn::Cell<PeepholeCell>);

struct Batch {
  std::vector<Index> lengths;
};

// With respect to the input and every parameter.
template <class Layer>
void check_gradients(Layer& layer, const std::vector<Index>& lengths, bool training = false) {
  using namespace unroll::test;
  layer.to(f64);
  randomize(layer, 4, 0.9);
  std::vector<Tensor> point{random_values({4, 2, layer.options.input}, 1)};
  std::vector<Tensor> parameters;
  for (const auto& [path, p] : layer.parameters()) {
    parameters.push_back(p);
    point.push_back(from(std::span<const double>(values(p)), p.shape()));
  }
  const auto loss = [&](const Tensor& x) { return weighted_sum(layer(x, {.lengths = lengths})); };
  const Rng fixed(9);
  const Function at = [&](std::span<const Tensor> in) {
    for (std::size_t k = 0; k < parameters.size(); ++k)
      unroll::detail::overwrite(parameters[k], in[k + 1], "difference");
    if (!training) return loss(in[0]);
    Tape tape({.rng = &fixed});
    return detach(loss(in[0]));
  };
  std::vector<Tensor> analytic;
  {
    Tape tape({.training = training, .rng = &fixed});
    std::vector<Tensor> leaves{tape.watch(point[0])};
    leaves.insert(leaves.end(), parameters.begin(), parameters.end());
    analytic = tape.gradient(loss(leaves[0]), leaves);
  }
  for (std::size_t k = 0; k < point.size(); ++k) {
    const auto numeric = numeric_gradient(at, point, k, full({}, 1, f64));
    BOOST_TEST_CONTEXT("leaf " << k)
    BOOST_TEST(disagreement(analytic[k], numeric.gradient, {.relative = 1e-7}) == "");
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(usage_custom_cell)

BOOST_AUTO_TEST_CASE(multiplicative) {
  using Layer = nn::Recurrent<MultiplicativeCell>;
  Layer layer({.input = 6, .hidden = 8, .layers = 2, .bidirectional = true});
  const Tensor x = uniform({5, 3, 6}, -1, 1);
  const Batch batch{.lengths = {5, 2, 3}};
  auto [y, last] = layer(x, {.lengths = batch.lengths});
  Tensor summary = concat({last.forward.back().h, last.backward.back().h}, -1);
  BOOST_TEST(y.shape() == (Shape{5, 3, 16}));
  BOOST_TEST(summary.shape() == (Shape{3, 16}));
  BOOST_TEST(all_equal(contiguous(slice(select(summary, 0, 0), {.to = 8})),
                       contiguous(slice(select(select(y, 0, 4), 0, 0), {.to = 8}))));
  const auto first_bias = layer.cell(0).b.span<float>();
  for (Index i = 0; i < 40; ++i)
    BOOST_TEST(first_bias[static_cast<std::size_t>(i)] == (i >= 16 && i < 24 ? 1.0F : 0.0F));
}

BOOST_AUTO_TEST_CASE(multiplicative_with_wrappers) {
  using Layer = nn::Recurrent<nn::VariationalDropout<nn::WeightDrop<MultiplicativeCell>>>;
  Layer layer({.input = 64,
               .hidden = 128,
               .layers = 2,
               .bidirectional = true,
               .cell = {.input_rate = 0.3, .state_rate = 0.2, .cell = {.rate = 0.5}}});
  seed(3);
  const Tensor x = uniform({5, 3, 64}, -1, 1);
  const Batch batch{.lengths = {5, 2, 3}};
  {
    auto [y, last] = layer(x, {.lengths = batch.lengths});  // y [T, B, 256]
    Tensor summary = concat({last.forward.back().h, last.backward.back().h}, -1);
    BOOST_TEST(y.shape() == (Shape{5, 3, 256}));
    BOOST_TEST(summary.shape() == (Shape{3, 256}));
  }
  nn::Recurrent<MultiplicativeCell> plain(
      {.input = 64, .hidden = 128, .layers = 2, .bidirectional = true});
  nn::copy_values(layer, plain);  // the names of the parameters are those of the cell
  const Tensor quiet = plain(x, {.lengths = batch.lengths}).outputs;
  BOOST_TEST(all_equal(layer(x, {.lengths = batch.lengths}).outputs, quiet));
  Tape tape;
  const auto trained = layer(x, {.lengths = batch.lengths});
  BOOST_TEST(!all_equal(trained.outputs, quiet).ok());
  const auto grads = tape.backward(sum(square(trained.outputs)));
  BOOST_TEST(grads.size() == 16);
  // Half of Wh is dropped, and nothing of Um.
  const auto zeros_in = [&](const Tensor& p) {
    const auto all = test::values(grads[p]);
    return static_cast<double>(std::count(all.begin(), all.end(), 0.0)) /
           static_cast<double>(all.size());
  };
  BOOST_TEST(zeros_in(layer.cell(0).Wh) > 0.48);
  BOOST_TEST(zeros_in(layer.cell(0).Wh) < 0.52);
  BOOST_TEST(zeros_in(layer.cell(0).Um) < 0.1);  // a unit of h that is masked in all three rows
}

// With a fixed key every evaluation draws the same masks, so that differences can be taken.
BOOST_AUTO_TEST_CASE(wrapped_gradients) {
  using Layer = nn::Recurrent<nn::VariationalDropout<nn::WeightDrop<MultiplicativeCell>>>;
  Layer layer({.input = 2,
               .hidden = 2,
               .layers = 2,
               .bidirectional = true,
               .cell = {.input_rate = 0.3, .state_rate = 0.2, .cell = {.rate = 0.5}}});
  check_gradients(layer, {}, true);
  check_gradients(layer, {2, 4}, true);
}

BOOST_AUTO_TEST_CASE(multiplicative_gradients) {
  nn::Recurrent<MultiplicativeCell> layer(
      {.input = 2, .hidden = 2, .layers = 2, .bidirectional = true});
  check_gradients(layer, {});
  check_gradients(layer, {2, 4});
}

BOOST_AUTO_TEST_CASE(peephole_gradients) {
  nn::Recurrent<PeepholeCell> layer({.input = 3, .hidden = 2, .layers = 2, .bidirectional = true});
  check_gradients(layer, {});
  check_gradients(layer, {4, 1});
}

// The same function on plain numbers, and the step that it makes.
BOOST_AUTO_TEST_CASE(functions_work_on_doubles) {
  const auto [h, c] = mlstm(0.0, 0.0, 0.5, 0.0, 2.0);
  BOOST_TEST(c == 1 + 0.5 * std::tanh(0.5), boost::test_tools::tolerance(1e-15));
  BOOST_TEST(h == 0.5 * std::tanh(c), boost::test_tools::tolerance(1e-15));
}

BOOST_AUTO_TEST_SUITE_END()
