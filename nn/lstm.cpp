#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/matmul.h>
#include <unroll/autograd/pointwise.h>
#include <unroll/nn/biases.h>
#include <unroll/nn/lstm.h>

namespace unroll::nn {
namespace {

constexpr auto lstm_step = [](auto i, auto f, auto g, auto o, auto c0) {
  auto c1 = sigmoid(f) * c0 + sigmoid(i) * tanh(g);
  return std::tuple{sigmoid(o) * tanh(c1), c1};
};

}  // namespace

LSTMCell::LSTMCell(Options o)
    : options(checked_cell("lstm", layer_hint, o)),
      Wx(*this, "Wx", {o.input, 4 * o.hidden}, init::xavier({.blocks = 4})),
      Wh(*this, "Wh", {o.hidden, 4 * o.hidden}, init::orthogonal({.blocks = 4})) {
  add_biases(*this, o.biases, 4 * o.hidden,
             init::forget_bias({.at = o.hidden, .size = o.hidden, .value = o.forget_bias}), b,
             b_recurrent);
}

Tensor LSTMCell::project(const Tensor& x) const {
  return project_with_biases(x, Wx, b, b_recurrent);
}

LSTMState LSTMCell::step(const Tensor& gates, const State& s) const {
  const auto [i, f, g, o] = split<4>(affine(s.h, Wh, gates), -1);  // [B×4H] = [B×H]·[H×4H] + [B×4H]
  auto [h, c] = pointwise(lstm_step, i, f, g, o, s.c);
  return {.h = h, .c = c};
}

LSTMState LSTMCell::initial_state(Index batch) const {
  const Tensor zero = zeros({batch, options.hidden}, dtype());
  return {.h = zero, .c = zero};
}

}  // namespace unroll::nn
