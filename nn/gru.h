#pragma once

#include <unroll/nn/gated_cell.h>
#include <unroll/nn/recurrent.h>

namespace unroll::nn {

struct GRUState {
  Tensor h;  // [B, hidden]
};

// What all forms of the gated recurrent unit share.
class GRUForm : public GatedCell {
 public:
  static constexpr const char* kind = "gru";
  static constexpr const char* layer_hint = "nn::GRU gru({.input = 65, .hidden = 128})";

  struct Options {
    Index input = 0;
    Index hidden = 0;
    Index biases = 1;                  // 0, 1, or 2: with one of the recurrent products' own
    init::Init init = init::xavier();  // of each gate's weight of x
    init::Init recurrent_init = init::orthogonal();  // of each gate's weight of h
  };
  using State = GRUState;

  State initial_state(Index batch) const;

  const Options options;

 protected:
  GRUForm(Options o, Index gates, const char* name = kind, const char* hint = layer_hint);
};

// One step of a gated recurrent unit, Cho et al. 2014, with the reset gate after the recurrent
// product as in cuDNN. Gates r, z, n are columns of p = x·Wx + b and q = h·Wh + b_recurrent:
//   r = σ(pr + qr),  z = σ(pz + qz),  n = tanh(pn + r qn),  h' = (1 - z) n + z h
class GRUCell : public GRUForm {
 public:
  explicit GRUCell(Options o);

  Tensor project(const Tensor& x, const RecurrentWeights& w) const;
  State step(const Tensor& projected, const State& s, const RecurrentWeights& w) const;
  // One step by itself: x [B, input].
  State operator()(const Tensor& x, const State& s) const { return apply(*this, x, s); }
};

// The same with the reset gate before the product, as the paper has it, so that it takes two:
//   n = tanh(pn + (r h)·Wh_n)
class ResetFirstGRUCell : public GRUForm {
 public:
  explicit ResetFirstGRUCell(Options o);

  using Weights = std::array<RecurrentWeights, 2>;  // of r and z; of n
  Weights begin(Index batch) const;
  Tensor project(const Tensor& x, const Weights& w) const;
  State step(const Tensor& projected, const State& s, const Weights& w) const;
  State operator()(const Tensor& x, const State& s) const { return apply(*this, x, s); }
};

// Minimal gated unit, Zhou et al. 2016, with gates f, n:
//   f = σ(pf + h·Wh_f),  n = tanh(pn + (f h)·Wh_n),  h' = (1 - f) h + f n
class MGUCell : public GRUForm {
 public:
  static constexpr const char* kind = "mgu";
  static constexpr const char* layer_hint =
      "nn::Recurrent<nn::MGUCell> mgu({.input = 65, .hidden = 128})";

  explicit MGUCell(Options o);

  using Weights = std::array<RecurrentWeights, 2>;  // of f; of n
  Weights begin(Index batch) const;
  Tensor project(const Tensor& x, const Weights& w) const;
  State step(const Tensor& projected, const State& s, const Weights& w) const;
  State operator()(const Tensor& x, const State& s) const { return apply(*this, x, s); }
};

extern template class Recurrent<GRUCell>;

// Layers of GRU cells, x [T, B, input] → outputs [T, B, hidden] and the state.
class GRU : public Recurrent<GRUCell> {
 public:
  using Recurrent<GRUCell>::Recurrent;
};

}  // namespace unroll::nn
