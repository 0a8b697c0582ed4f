#pragma once

#include <unroll/nn/module.h>

#include <optional>

namespace unroll::nn {

// Which zeros stand around a sequence. none: a result only where the kernel fits. same: as long as
// the sequence, at stride 1. causal: the same with all zeros in front, so that step t sees no later
// one.
enum class Padding { none, same, causal };

// A convolution over time: y_t = Σ_k x_{t·stride + k·dilation - zeros in front}·W_k + b.
// x [T, B, input] → [T', B, output], T' = (T + zeros - (kernel - 1)·dilation - 1) / stride + 1.
class Conv1d : public Module {
 public:
  struct Options {
    Index input = 0;
    Index output = 0;
    Index kernel = 0;
    Index stride = 1;
    Index dilation = 1;
    Padding padding = Padding::none;
    bool bias = true;
    init::Init init = init::xavier();  // of W as [kernel · input, output]
  };
  explicit Conv1d(Options o);

  Tensor operator()(const Tensor& x) const;

  const Options options;
  Parameter W;                 // [kernel, input, output]
  std::optional<Parameter> b;  // [output]
};

}  // namespace unroll::nn
