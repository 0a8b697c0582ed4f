#pragma once

#include <unroll/autograd/tensor.h>

// Normalisation over the last axis, row by row; f32 or f64, statistics in double. Weight and bias
// [n] are optional: Tensor{} leaves them out. A NaN reaches its whole row.
namespace unroll {

struct LayerNormOptions {
  double epsilon = 1e-5;  // > 0: a row of equal elements gives 0, with a finite gradient
};

// (x - mean) / √(var + epsilon) · weight + bias, var without correction; Ba et al. 2016. Throws
// where weight or bias is not [n] of x's dtype.
Tensor layer_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {},
                  const LayerNormOptions& options = {});

// x / √(mean x² + epsilon) · weight; Zhang and Sennrich 2019.
Tensor rms_norm(const Tensor& x, const Tensor& weight = {}, const LayerNormOptions& options = {});

}  // namespace unroll
