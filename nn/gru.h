#pragma once

#include <unroll/nn/recurrent.h>

#include <optional>

namespace unroll::nn {

struct GRUState {
  Tensor h;  // [B, hidden]
};

// One step of a gated recurrent unit, Cho et al. 2014, with the reset gate after the recurrent
// product as in cuDNN. Gates r, z, n are columns of p = x·Wx + b and q = h·Wh + b_recurrent:
//   r = σ(pr + qr),  z = σ(pz + qz),  n = tanh(pn + r qn),  h' = (1 - z) n + z h
class GRUCell : public Module {
 public:
  static constexpr const char* kind = "gru";
  static constexpr const char* layer_hint = "nn::GRU gru({.input = 65, .hidden = 128})";

  struct Options {
    Index input = 0;
    Index hidden = 0;
    Index biases = 1;  // 0, 1, or 2: with one of its own under the reset gate
  };
  using State = GRUState;
  explicit GRUCell(Options o);

  Tensor project(const Tensor& x) const;
  State step(const Tensor& projected, const State& s) const;
  State initial_state(Index batch) const;
  // One step by itself: x [B, input].
  State operator()(const Tensor& x, const State& s) const { return apply(*this, x, s); }

  const Options options;
  Parameter Wx;                          // [input, 3 hidden]
  Parameter Wh;                          // [hidden, 3 hidden]
  std::optional<Parameter> b;            // [3 hidden]
  std::optional<Parameter> b_recurrent;  // [3 hidden]
};

// Layers of GRU cells, x [T, B, input] → outputs [T, B, hidden] and the state.
class GRU : public Recurrent<GRUCell> {
 public:
  struct Options {
    Index input = 0;
    Index hidden = 0;
    Index layers = 1;
    bool bidirectional = false;
    Index biases = 1;
    double dropout = 0;  // between layers
  };
  explicit GRU(Options o)
      : Recurrent<GRUCell>({.input = o.input,
                            .hidden = o.hidden,
                            .layers = o.layers,
                            .bidirectional = o.bidirectional,
                            .dropout = o.dropout,
                            .cell = {.biases = o.biases}}),
        options(o) {}

  const Options options;
};

}  // namespace unroll::nn
