#include <unroll/autograd/pointwise.h>
#include <unroll/nn/lstm_forms.h>

namespace unroll::nn {
namespace {

constexpr auto peephole_step = [](auto i, auto f, auto g, auto o, auto c0, auto pi, auto pf,
                                  auto po) {
  auto c1 = sigmoid(f + pf * c0) * c0 + sigmoid(i + pi * c0) * tanh(g);
  return std::tuple{sigmoid(o + po * c1) * tanh(c1), c1};
};

constexpr auto coupled_step = [](auto f, auto g, auto o, auto c0) {
  auto candidate = tanh(g);
  auto c1 = candidate + sigmoid(f) * (c0 - candidate);
  return std::tuple{sigmoid(o) * tanh(c1), c1};
};

constexpr auto memory_step = [](auto i, auto f, auto g, auto c0) {
  return sigmoid(f) * c0 + sigmoid(i) * tanh(g);
};

constexpr auto gated_output = [](auto o, auto c) { return sigmoid(o) * tanh(c); };

}  // namespace

PeepholeLSTMCell::PeepholeLSTMCell(Options o)
    : LSTMForm(std::move(o), {.count = 4, .forget = 1}),
      pi(*this, "pi", {options.hidden}, init::zeros()),
      pf(*this, "pf", {options.hidden}, init::zeros()),
      po(*this, "po", {options.hidden}, init::zeros()) {}

LSTMState PeepholeLSTMCell::step(const Tensor& gates, const State& s,
                                 const RecurrentWeights& w) const {
  const auto [i, f, g, o] = split<4>(w.product(s.h, gates), -1);
  const auto [h, c] = pointwise(peephole_step, i, f, g, o, s.c, pi, pf, po);
  return projected(h, c);
}

CoupledLSTMCell::CoupledLSTMCell(Options o) : LSTMForm(std::move(o), {.count = 3, .forget = 0}) {}

LSTMState CoupledLSTMCell::step(const Tensor& gates, const State& s,
                                const RecurrentWeights& w) const {
  const auto [f, g, o] = split<3>(w.product(s.h, gates), -1);
  const auto [h, c] = pointwise(coupled_step, f, g, o, s.c);
  return projected(h, c);
}

LayerNormLSTMCell::LayerNormLSTMCell(Options o)
    : LSTMForm(std::move(o), {.count = 4, .forget = 1}),
      norm_input(*this, "norm_input", {.size = 4 * options.hidden}),
      norm_recurrent(*this, "norm_recurrent", {.size = 4 * options.hidden}),
      norm_memory(*this, "norm_memory", {.size = options.hidden}) {}

RecurrentWeights LayerNormLSTMCell::begin(Index /*batch*/) const {
  return {.Wh = Wh, .norm_input = &norm_input, .norm_recurrent = &norm_recurrent};
}

LSTMState LayerNormLSTMCell::step(const Tensor& gates, const State& s,
                                  const RecurrentWeights& w) const {
  const auto [i, f, g, o] = split<4>(w.product(s.h, gates), -1);
  const Tensor c = pointwise(memory_step, i, f, g, s.c);
  return projected(pointwise(gated_output, o, norm_memory(c)), c);
}

}  // namespace unroll::nn
