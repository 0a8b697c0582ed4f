#pragma once

#include <unroll/autograd/ops/cross_entropy.h>

#include <span>

// Targets of cross_entropy and nll, checked once for both.
namespace unroll::detail {

struct ClassTargets {
  Tensor ids = {};            // dense; may be anything where the factors are 0
  Tensor class_weights = {};  // f64 [V] or undefined
  // For the loss at the target, and for Σ over all classes: both f64 [...], with the weight of the
  // position and what the mean divides by. 0 in both: the position does not count. `spread` is
  // undefined without smoothing.
  Tensor hit = {};
  Tensor spread = {};
  double total_class_weight = 0;
};
ClassTargets class_targets(const char* operation, const Tensor& x, const Tensor& targets,
                           const CrossEntropyOptions& options);

// The checked weights of classes as f64 [V]; undefined where there are none.
Tensor checked_class_weights(const char* operation, const Tensor& weights, const Tensor& x);

// Positions of the targets in row-major order of [..., classes]; at class 0 where factor is 0.
Tensor target_positions(const Tensor& ids, const Tensor& factor, Index classes);

// One number for each row as the options want them: their sum, or themselves.
Tensor reduced_rows(std::span<const double> losses, const Shape& shape, DType dtype,
                    Reduction reduction);

}  // namespace unroll::detail
