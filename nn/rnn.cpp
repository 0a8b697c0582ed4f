#include <unroll/autograd/ops/activations.h>
#include <unroll/autograd/ops/matmul.h>
#include <unroll/nn/biases.h>
#include <unroll/nn/rnn.h>

namespace unroll::nn {

RNNCell::RNNCell(Options o)
    : options(checked_cell("rnn", layer_hint, o)),
      Wx(*this, "Wx", {o.input, o.hidden}, init::xavier()),
      Wh(*this, "Wh", {o.hidden, o.hidden}, init::orthogonal()) {
  add_biases(*this, o.biases, o.hidden, init::zeros(), b, b_recurrent);
}

Tensor RNNCell::project(const Tensor& x) const {
  return project_with_biases(x, Wx, b, b_recurrent);
}

RNNState RNNCell::step(const Tensor& projected, const State& s) const {
  const Tensor sum = affine(s.h, Wh, projected);  // [B×H] = [B×H]·[H×H] + [B×H]
  return {.h = options.nonlinearity == Nonlinearity::tanh ? tanh(sum) : relu(sum)};
}

RNNState RNNCell::initial_state(Index batch) const {
  return {.h = zeros({batch, options.hidden}, dtype())};
}

}  // namespace unroll::nn
