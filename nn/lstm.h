#pragma once

#include <unroll/nn/recurrent.h>

#include <optional>

namespace unroll::nn {

struct LSTMState {
  Tensor h;  // [B, hidden]
  Tensor c;  // [B, hidden]
};

// One step of a long short-term memory; Hochreiter and Schmidhuber 1997, with the forget gate of
// Gers et al. 2000. Gates i, f, g, o are columns of x·Wx + h·Wh + b:
//   c' = σ(f) c + σ(i) tanh(g),  h' = σ(o) tanh(c')
class LSTMCell : public Module {
 public:
  static constexpr const char* kind = "lstm";
  static constexpr const char* layer_hint = "nn::LSTM lstm({.input = 65, .hidden = 128})";

  struct Options {
    Index input = 0;
    Index hidden = 0;
    Index biases = 1;        // 0, 1, or 2 for exchanging weights with libraries that have two
    double forget_bias = 1;  // first value of the forget gate's bias
  };
  using State = LSTMState;
  explicit LSTMCell(Options o);

  Tensor project(const Tensor& x) const;
  State step(const Tensor& gates, const State& s) const;
  State initial_state(Index batch) const;
  // One step by itself: x [B, input].
  State operator()(const Tensor& x, const State& s) const { return apply(*this, x, s); }

  const Options options;
  Parameter Wx;                          // [input, 4 hidden]
  Parameter Wh;                          // [hidden, 4 hidden]
  std::optional<Parameter> b;            // [4 hidden]
  std::optional<Parameter> b_recurrent;  // [4 hidden]
};

// Layers of LSTM cells, x [T, B, input] → outputs [T, B, hidden] and the state.
class LSTM : public Recurrent<LSTMCell> {
 public:
  struct Options {
    Index input = 0;
    Index hidden = 0;
    Index layers = 1;
    bool bidirectional = false;
    Index biases = 1;
    double dropout = 0;  // between layers
    double forget_bias = 1;
  };
  explicit LSTM(Options o)
      : Recurrent<LSTMCell>({.input = o.input,
                             .hidden = o.hidden,
                             .layers = o.layers,
                             .bidirectional = o.bidirectional,
                             .dropout = o.dropout,
                             .cell = {.biases = o.biases, .forget_bias = o.forget_bias}}),
        options(o) {}

  const Options options;
};

}  // namespace unroll::nn
