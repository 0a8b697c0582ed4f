#include <unroll/autograd/ops/matmul.h>
#include <unroll/autograd/pointwise.h>
#include <unroll/nn/biases.h>
#include <unroll/nn/gru.h>

namespace unroll::nn {
namespace {

constexpr auto gru_step = [](auto pr, auto pz, auto pn, auto qr, auto qz, auto qn, auto h) {
  auto n = tanh(pn + sigmoid(pr + qr) * qn);
  return n + sigmoid(pz + qz) * (h - n);
};

}  // namespace

GRUCell::GRUCell(Options o)
    : options(checked_cell("gru", layer_hint, o)),
      Wx(*this, "Wx", {o.input, 3 * o.hidden}, init::xavier({.blocks = 3})),
      Wh(*this, "Wh", {o.hidden, 3 * o.hidden}, init::orthogonal({.blocks = 3})) {
  add_biases(*this, o.biases, 3 * o.hidden, init::zeros(), b, b_recurrent);
}

Tensor GRUCell::project(const Tensor& x) const { return b ? affine(x, Wx, *b) : matmul(x, Wx); }

GRUState GRUCell::step(const Tensor& projected, const State& s) const {
  const Tensor recurrent =
      b_recurrent ? affine(s.h, Wh, *b_recurrent) : matmul(s.h, Wh);  // [B×3H] = [B×H]·[H×3H]
  const auto [pr, pz, pn] = split<3>(projected, -1);
  const auto [qr, qz, qn] = split<3>(recurrent, -1);
  return {.h = pointwise(gru_step, pr, pz, pn, qr, qz, qn, s.h)};
}

GRUState GRUCell::initial_state(Index batch) const {
  return {.h = zeros({batch, options.hidden}, dtype())};
}

}  // namespace unroll::nn
