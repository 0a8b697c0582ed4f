#pragma once

#include <unroll/nn/gated_cell.h>
#include <unroll/nn/recurrent.h>

namespace unroll::nn {

struct RNNState {
  Tensor h;  // [B, hidden]
};

enum class Nonlinearity { tanh, relu };

// One step of a simple recurrent network, Elman 1990: h' = f(x·Wx + h·Wh + b). An IRNN (Le et al.
// 2015) is {.nonlinearity = nn::Nonlinearity::relu, .recurrent_init = init::identity()}.
class RNNCell : public GatedCell {
 public:
  static constexpr const char* kind = "rnn";
  static constexpr const char* layer_hint = "nn::RNN rnn({.input = 65, .hidden = 128})";

  struct Options {
    Index input = 0;
    Index hidden = 0;
    Index biases = 1;  // 0, 1, or 2 for exchanging weights with libraries that have two
    Nonlinearity nonlinearity = Nonlinearity::tanh;
    init::Init init = init::xavier();
    init::Init recurrent_init = init::orthogonal();
  };
  using State = RNNState;
  explicit RNNCell(Options o);

  State step(const Tensor& projected, const State& s, const RecurrentWeights& w) const;
  State initial_state(Index batch) const;
  // One step by itself: x [B, input].
  State operator()(const Tensor& x, const State& s) const { return apply(*this, x, s); }

  const Options options;
};

extern template class Recurrent<RNNCell>;

// Layers of simple recurrent cells, x [T, B, input] → outputs [T, B, hidden] and the state.
class RNN : public Recurrent<RNNCell> {
 public:
  using Recurrent<RNNCell>::Recurrent;
};

}  // namespace unroll::nn
