#pragma once

#include <unroll/nn/nn.h>

#include "support/base_rules.h"

// Cells as users write them, with an operation of their own inside.
namespace unroll::test {

// Operands p, h, Wh: h' = tanh(p + h·Wh).
BaseRule elman_step();
// Operands p, h, Wh, c: gates p + h·Wh → h' and c' side by side.
BaseRule lstm_cell_step();

struct MadeElmanCell : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
    const MadeOperation* operation = nullptr;
  };
  struct State {
    Tensor h;
  };
  explicit MadeElmanCell(Options o) : options(o) {}
  const Options options;
  nn::Parameter Wx{*this, "Wx", {options.input, options.hidden}, init::xavier()};
  nn::Parameter Wh{*this, "Wh", {options.hidden, options.hidden}, init::orthogonal()};
  nn::Parameter b{*this, "b", {options.hidden}, init::zeros()};

  Tensor project(const Tensor& x) const { return affine(x, Wx, b); }
  State step(const Tensor& p, const State& s) const {
    return {.h = (*options.operation)({p, s.h, Wh})};
  }
};

struct MadeLSTMCell : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
    const MadeOperation* operation = nullptr;
  };
  using State = nn::LSTMState;
  explicit MadeLSTMCell(Options o) : options(o) {}
  const Options options;
  nn::Parameter Wx{*this, "Wx", {options.input, 4 * options.hidden}, init::xavier()};
  nn::Parameter Wh{*this, "Wh", {options.hidden, 4 * options.hidden}, init::orthogonal()};
  nn::Parameter b{*this, "b", {4 * options.hidden}, init::zeros()};

  Tensor project(const Tensor& x) const { return affine(x, Wx, b); }
  State step(const Tensor& p, const State& s) const {
    const auto [h, c] = split<2>((*options.operation)({p, s.h, Wh, s.c}), -1);
    return {.h = h, .c = c};
  }
};

}  // namespace unroll::test
