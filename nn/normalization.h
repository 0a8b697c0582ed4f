#pragma once

#include <unroll/nn/module.h>

#include <optional>

namespace unroll::nn {

// (x - mean) / √(variance + epsilon) · weight + bias over the last axis; Ba, Kiros and Hinton 2016.
// x [..., size]; the variance divides by size.
class LayerNorm : public Module {
 public:
  struct Options {
    Index size = 0;
    bool bias = true;
    double epsilon = 1e-5;
  };
  explicit LayerNorm(Options o);

  Tensor operator()(const Tensor& x) const;

  const Options options;
  Parameter weight;               // [size], from 1
  std::optional<Parameter> bias;  // [size], from 0
};

// x / √(mean(x²) + epsilon) · weight over the last axis; Zhang and Sennrich 2019. x [..., size].
class RMSNorm : public Module {
 public:
  struct Options {
    Index size = 0;
    double epsilon = 1e-5;
  };
  explicit RMSNorm(Options o);

  Tensor operator()(const Tensor& x) const;

  const Options options;
  Parameter weight;  // [size], from 1
};

}  // namespace unroll::nn
