#include <unroll/autograd/ops/activations.h>
#include <unroll/nn/rnn.h>

namespace unroll::nn {

RNNCell::RNNCell(Options o)
    : GatedCell({.kind = kind,
                 .hint = layer_hint,
                 .input = o.input,
                 .hidden = o.hidden,
                 .gates = 1,
                 .biases = o.biases},
                {.input = o.init, .recurrent = o.recurrent_init}),
      options(std::move(o)) {}

RNNState RNNCell::step(const Tensor& projected, const State& s, const RecurrentWeights& w) const {
  const Tensor sum = w.product(s.h, projected);  // [B×H] = [B×H]·[H×H] + [B×H]
  return {.h = options.nonlinearity == Nonlinearity::tanh ? tanh(sum) : relu(sum)};
}

RNNState RNNCell::initial_state(Index batch) const {
  return {.h = zeros({batch, options.hidden}, dtype())};
}

template class Recurrent<RNNCell>;

}  // namespace unroll::nn
