#include <unroll/autograd/ops/matmul.h>
#include <unroll/autograd/pointwise.h>
#include <unroll/nn/lstm.h>

namespace unroll::nn {
namespace {

constexpr auto lstm_step = [](auto i, auto f, auto g, auto o, auto c0) {
  auto c1 = sigmoid(f) * c0 + sigmoid(i) * tanh(g);
  return std::tuple{sigmoid(o) * tanh(c1), c1};
};

}  // namespace

LSTMForm::LSTMForm(Options o, const Gates& gates)
    : GatedCell({.kind = kind,
                 .hint = layer_hint,
                 .input = o.input,
                 .hidden = o.hidden,
                 .gates = gates.count,
                 .biases = o.biases,
                 .recurrent = o.projection},
                {.input = o.init,
                 .recurrent = o.recurrent_init,
                 .bias = init::forget_bias(
                     {.at = gates.forget * o.hidden, .size = o.hidden, .value = o.forget_bias})}),
      options(std::move(o)) {
  if (options.projection > 0)
    Wp.emplace(*this, "Wp", Shape{options.hidden, options.projection}, options.init);
}

LSTMState LSTMForm::initial_state(Index batch) const {
  const Tensor zero = zeros({batch, options.hidden}, dtype());
  return {.h = Wp ? zeros({batch, options.projection}, dtype()) : zero, .c = zero};
}

Tensor LSTMForm::project_output(const Tensor& h) const { return matmul(h, *Wp); }

LSTMCell::LSTMCell(Options o) : LSTMForm(std::move(o), {.count = 4, .forget = 1}) {}

LSTMState LSTMCell::step(const Tensor& gates, const State& s, const RecurrentWeights& w) const {
  const auto [i, f, g, o] = split<4>(w.product(s.h, gates), -1);  // [B×4H] = [B×H]·[H×4H] + [B×4H]
  const auto [h, c] = pointwise(lstm_step, i, f, g, o, s.c);
  return projected(h, c);
}

template class Recurrent<LSTMCell>;

}  // namespace unroll::nn
