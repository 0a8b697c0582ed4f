#pragma once

#include <unroll/nn/gated_cell.h>
#include <unroll/nn/recurrent.h>

namespace unroll::nn {

struct LSTMState {
  Tensor h;  // [B, hidden], or [B, projection]
  Tensor c;  // [B, hidden]
};

// What all forms of the long short-term memory share.
class LSTMForm : public GatedCell {
 public:
  static constexpr const char* kind = "lstm";
  static constexpr const char* layer_hint = "nn::LSTM lstm({.input = 65, .hidden = 128})";

  struct Options {
    Index input = 0;
    Index hidden = 0;
    Index projection = 0;  // size of h = (σ(o) tanh(c'))·Wp, Sak et al. 2014; 0: no such product
    Index biases = 1;      // 0, 1, or 2 for exchanging weights with libraries that have two
    double forget_bias = 1;                          // first value of the forget gate's bias
    init::Init init = init::xavier();                // of each gate's weight of x
    init::Init recurrent_init = init::orthogonal();  // of each gate's weight of h
  };
  using State = LSTMState;

  State initial_state(Index batch) const;
  Index output_size() const { return Wp ? options.projection : options.hidden; }

  const Options options;
  std::optional<Parameter> Wp;  // [hidden, projection]

 protected:
  struct Gates {
    Index count;
    Index forget;  // position of the forget gate
  };
  LSTMForm(Options o, const Gates& gates);

  State projected(const Tensor& h, const Tensor& c) const {
    return {.h = Wp ? project_output(h) : h, .c = c};
  }

 private:
  Tensor project_output(const Tensor& h) const;
};

// One step of a long short-term memory; Hochreiter and Schmidhuber 1997, with the forget gate of
// Gers et al. 2000. Gates i, f, g, o are columns of x·Wx + h·Wh + b:
//   c' = σ(f) c + σ(i) tanh(g),  h' = σ(o) tanh(c')
class LSTMCell : public LSTMForm {
 public:
  explicit LSTMCell(Options o);

  State step(const Tensor& gates, const State& s, const RecurrentWeights& w) const;
  // One step by itself: x [B, input].
  State operator()(const Tensor& x, const State& s) const { return apply(*this, x, s); }
};

extern template class Recurrent<LSTMCell>;

// Layers of LSTM cells, x [T, B, input] → outputs [T, B, hidden] and the state.
class LSTM : public Recurrent<LSTMCell> {
 public:
  using Recurrent<LSTMCell>::Recurrent;
};

}  // namespace unroll::nn
