#pragma once

#include <unroll/unroll.h>

namespace unroll::test {

// A cell of a user with a begin() that is not ours.
struct Simple : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
  };
  struct State {
    Tensor h;
  };
  struct Weights {
    Tensor Wh;
  };
  explicit Simple(Options o) : options(o) {}
  const Options options;
  nn::Parameter Wx{*this, "Wx", {options.input, options.hidden}, init::xavier()};
  nn::Parameter Wh{*this, "Wh", {options.hidden, options.hidden}, init::orthogonal()};

  Weights begin(Index) const { return {.Wh = Wh}; }
  State step(const Tensor& x, const State& s, const Weights& w) const {
    return {.h = tanh(matmul(x, Wx) + matmul(s.h, w.Wh))};
  }
};

}  // namespace unroll::test
