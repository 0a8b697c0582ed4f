// Norms of the gradients of states over time, of layers: against closed forms and gradient().
#include <unroll/unroll.h>

#include <cmath>
#include <map>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/leaves.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

using graph::Direction;

// h_t = h_{t-1}·W + x_t.
struct LinearCell : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
  };
  struct State {
    Tensor h;
  };
  explicit LinearCell(Options o) : options(o) {}
  const Options options;
  nn::Parameter W{*this, "W", {options.hidden, options.hidden}, init::normal(0.4)};
  State step(const Tensor& x, const State& s) const { return {.h = x + matmul(s.h, W)}; }
};

double norm_of(std::span<const double> v) {
  long double sum = 0;
  for (const double x : v) sum += static_cast<long double>(x) * x;
  return static_cast<double>(std::sqrt(sum));
}
double norm_of(const Tensor& x) { return norm_of(contiguous(x).span<double>()); }

// Every state that a layer makes, by series and step.
using States = std::map<std::string, std::vector<Tensor>>;

States shown;

// A cell that shows its states.
template <class Cell>
struct Shown : Cell {
  using Cell::Cell;

  template <class... Begun>
  typename Cell::State step(const Tensor& x, const typename Cell::State& s,
                            const Begun&... begun) const {
    auto made = Cell::step(x, s, begun...);
    const std::string path = this->path();
    if constexpr (requires { made.c; }) shown[path + ".c"].push_back(made.c);
    shown[path + ".h"].push_back(made.h);
    return made;
  }
};

// The norms of gradient(loss, state) for every state that the layer's cells make, in order.
template <class Cell>
void compare_with_gradient() {
  nn::Recurrent<Shown<Cell>> layer({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true});
  layer.to(f64);
  shown.clear();
  Rng rng(6);
  constexpr Index steps = 9;
  const Tensor x = normal({steps, 2, 3}, 0, 1, rng, f64);
  const Tensor weights = normal({steps, 2, 8}, 0, 1, rng, f64);
  Tape tape;
  const Tensor loss = sum(layer(x).outputs * weights);
  std::map<std::string, std::vector<double>> expected;
  for (const auto& [name, made] : shown) {
    BOOST_REQUIRE_EQUAL(made.size(), static_cast<std::size_t>(steps));
    for (const Tensor& g : tape.gradient(loss, made, {.unreached = Unreached::zero}))
      expected[name].push_back(norm_of(g));
    if (name.find("backward") != std::string::npos) std::ranges::reverse(expected[name]);
  }
  static_cast<void>(tape.backward(loss, {.keep_norms = true}));
  const auto flow = graph::gradient_flow(tape);
  shown.clear();
  BOOST_REQUIRE_EQUAL(flow.series.size(), expected.size());
  for (const graph::FlowSeries& series : flow.series) {
    const auto& norms = expected.at(series.path + "." + series.state);
    BOOST_REQUIRE_EQUAL(series.norms.size(), norms.size());
    BOOST_TEST((series.direction == Direction::backward) ==
               (series.path.find("backward") != std::string::npos));
    for (std::size_t t = 0; t < norms.size(); ++t) {
      BOOST_TEST(series.steps[t] == static_cast<Index>(t));
      BOOST_TEST(series.norms[t] == norms[t], boost::test_tools::tolerance(1e-12));
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gradient_flow_layers)

// loss = ⟨v, h_T⟩: the gradient of h_{T-k} is v·(Wᵀ)^k.
BOOST_AUTO_TEST_CASE(a_linear_recurrence_in_closed_form) {
  constexpr Index n = 4, steps = 25;
  seed(3);
  nn::Recurrent<LinearCell> layer({.input = n, .hidden = n});
  layer.to(f64);
  Rng rng(4);
  const Tensor x = normal({steps, 1, n}, 0, 1, rng, f64);
  const Tensor v = normal({1, n}, 0, 1, rng, f64);
  Tape tape;
  const Tensor loss = sum(layer(x).state.forward[0].h * v);
  static_cast<void>(tape.backward(loss, {.keep_norms = true}));
  const auto flow = graph::gradient_flow(tape);
  BOOST_REQUIRE_EQUAL(flow.series.size(), 1U);
  const graph::FlowSeries& series = flow.series[0];
  BOOST_TEST(series.path == "0.forward");
  BOOST_TEST(series.state == "h");
  BOOST_TEST(series.layer == 0);
  BOOST_TEST((series.direction == Direction::forward));
  BOOST_REQUIRE_EQUAL(series.norms.size(), static_cast<std::size_t>(steps));
  const std::span<const double> W = layer.cell(0).W.span<double>();
  std::vector<double> g(v.span<double>().begin(), v.span<double>().end());
  for (Index t = steps - 1; t >= 0; --t) {
    BOOST_TEST(series.norms[static_cast<std::size_t>(t)] == norm_of(g),
               boost::test_tools::tolerance(1e-12));
    std::vector<double> before(n, 0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) before[i] += W[i * n + j] * g[j];
    g = before;
  }
}

BOOST_AUTO_TEST_CASE(of_layers_as_gradient_says) {
  seed(5);
  compare_with_gradient<nn::LSTMCell>();
  compare_with_gradient<nn::GRUCell>();
  compare_with_gradient<nn::RNNCell>();
}

BOOST_AUTO_TEST_CASE(without_norms_it_says_how_to_have_them) {
  const nn::GRU gru({.input = 3, .hidden = 4});
  Tape tape;
  const Tensor loss = sum(gru(ones({3, 2, 3})).outputs);
  static_cast<void>(tape.backward(loss));
  BOOST_TEST(error_text([&] {
               static_cast<void>(graph::gradient_flow(tape));
             }).ends_with("hint: tape.backward(loss, {.keep_norms = true})"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
