#pragma once

#include <unroll/autograd/tensor.h>

// Normalisation of each feature over everything else; f32 or f64, statistics in double. Weight and
// bias [n] are optional: Tensor{} leaves them out. Ioffe and Szegedy 2015.
namespace unroll {

struct BatchNormOptions {
  double epsilon = 1e-5;  // > 0
  Index axis = -1;        // of the features
};

struct BatchNormed {
  Tensor outputs;
  Tensor mean;      // [n], without history: for running statistics
  Tensor variance;  // [n], without correction; times count / (count - 1) it is unbiased
  Index count;      // elements of each feature
};

// (x - mean) / √(var + epsilon) · weight + bias with mean and var of this batch, through which the
// gradient goes. Throws for a batch without elements, and where weight or bias is not [n] of x's
// dtype.
BatchNormed batch_norm(const Tensor& x, const Tensor& weight = {}, const Tensor& bias = {},
                       const BatchNormOptions& options = {});

// The same with given mean and variance [n].
Tensor batch_norm_inference(const Tensor& x, const Tensor& mean, const Tensor& variance,
                            const Tensor& weight = {}, const Tensor& bias = {},
                            const BatchNormOptions& options = {});

}  // namespace unroll
