#pragma once

#include <unroll/nn/recurrent.h>

#include <optional>

namespace unroll::nn {

struct RNNState {
  Tensor h;  // [B, hidden]
};

enum class Nonlinearity { tanh, relu };

// One step of a simple recurrent network, Elman 1990: h' = f(x·Wx + h·Wh + b).
class RNNCell : public Module {
 public:
  static constexpr const char* kind = "rnn";
  static constexpr const char* layer_hint = "nn::RNN rnn({.input = 65, .hidden = 128})";

  struct Options {
    Index input = 0;
    Index hidden = 0;
    Index biases = 1;  // 0, 1, or 2 for exchanging weights with libraries that have two
    Nonlinearity nonlinearity = Nonlinearity::tanh;
  };
  using State = RNNState;
  explicit RNNCell(Options o);

  Tensor project(const Tensor& x) const;
  State step(const Tensor& projected, const State& s) const;
  State initial_state(Index batch) const;
  // One step by itself: x [B, input].
  State operator()(const Tensor& x, const State& s) const { return apply(*this, x, s); }

  const Options options;
  Parameter Wx;                          // [input, hidden]
  Parameter Wh;                          // [hidden, hidden]
  std::optional<Parameter> b;            // [hidden]
  std::optional<Parameter> b_recurrent;  // [hidden]
};

// Layers of simple recurrent cells, x [T, B, input] → outputs [T, B, hidden] and the state.
class RNN : public Recurrent<RNNCell> {
 public:
  struct Options {
    Index input = 0;
    Index hidden = 0;
    Index layers = 1;
    bool bidirectional = false;
    Index biases = 1;
    Nonlinearity nonlinearity = Nonlinearity::tanh;
    double dropout = 0;  // between layers
  };
  explicit RNN(Options o)
      : Recurrent<RNNCell>({.input = o.input,
                            .hidden = o.hidden,
                            .layers = o.layers,
                            .bidirectional = o.bidirectional,
                            .dropout = o.dropout,
                            .cell = {.biases = o.biases, .nonlinearity = o.nonlinearity}}),
        options(o) {}

  const Options options;
};

}  // namespace unroll::nn
