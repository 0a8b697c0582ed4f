#pragma once

#include <unroll/nn/lstm.h>
#include <unroll/nn/normalization.h>

// Forms of the long short-term memory for nn::Recurrent, each with the options of LSTMCell:
//   nn::Recurrent<nn::PeepholeLSTMCell> layer({.input = 65, .hidden = 128});
namespace unroll::nn {

// Gates that see the memory; Gers, Schraudolph and Schmidhuber 2002:
//   c' = σ(f + pf c) c + σ(i + pi c) tanh(g),  h' = σ(o + po c') tanh(c')
class PeepholeLSTMCell : public LSTMForm {
 public:
  explicit PeepholeLSTMCell(Options o);

  State step(const Tensor& gates, const State& s, const RecurrentWeights& w) const;
  State operator()(const Tensor& x, const State& s) const { return apply(*this, x, s); }

  Parameter pi, pf, po;  // [hidden]
};

// Input and forget gate coupled, i = 1 - f, with three gates f, g, o; "CIFG" in Greff et al. 2017:
//   c' = σ(f) c + (1 - σ(f)) tanh(g),  h' = σ(o) tanh(c')
class CoupledLSTMCell : public LSTMForm {
 public:
  explicit CoupledLSTMCell(Options o);

  State step(const Tensor& gates, const State& s, const RecurrentWeights& w) const;
  State operator()(const Tensor& x, const State& s) const { return apply(*this, x, s); }
};

// Both sums and the memory normalised; Ba, Kiros and Hinton 2016. Gates are columns of
// LN(x·Wx) + LN(h·Wh) + b, and c' is that of LSTMCell:
//   h' = σ(o) tanh(LN(c'))
class LayerNormLSTMCell : public LSTMForm {
 public:
  explicit LayerNormLSTMCell(Options o);

  RecurrentWeights begin(Index batch) const;
  State step(const Tensor& gates, const State& s, const RecurrentWeights& w) const;
  State operator()(const Tensor& x, const State& s) const { return apply(*this, x, s); }

  Child<LayerNorm> norm_input, norm_recurrent, norm_memory;
};

}  // namespace unroll::nn
