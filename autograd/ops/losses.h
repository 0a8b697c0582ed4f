#pragma once

#include <unroll/autograd/ops/loss_options.h>

// Losses of numbers: predictions and targets of one shape and dtype, both differentiable. See
// LossOptions for weights and masks. They throw where shapes or dtypes differ: a loss that
// broadcasts [64, 1] against [64] would compare each with all.
namespace unroll {

// (x - y)²
Tensor mse(const Tensor& predictions, const Tensor& targets, const LossOptions& options = {});

// |x - y|; derivative 0 where they are equal.
Tensor mae(const Tensor& predictions, const Tensor& targets, const LossOptions& options = {});

struct HuberOptions {
  double delta = 1;  // > 0: from here on the loss grows linearly
  Tensor weights = {};
  Reduction reduction = Reduction::mean;
};
// d²/2 where |d| <= delta, else delta (|d| - delta/2), with d = x - y; Huber 1964.
Tensor huber(const Tensor& predictions, const Tensor& targets, const HuberOptions& options = {});

struct BinaryCrossEntropyOptions {
  // What targets of 1 count more than targets of 0; broadcasts to the logits. Undefined: 1.
  Tensor positive_weight = {};
  Tensor weights = {};
  Reduction reduction = Reduction::mean;
};
// -p t log σ(x) - (1 - t) log(1 - σ(x)) of logits x, with p the positive weight, without overflow.
// Targets are probabilities, or 0 and 1 in i64. The mean divides by the weights, not by p. Throws
// for any other whole number, and for a positive weight that is negative or not finite.
Tensor binary_cross_entropy(const Tensor& logits, const Tensor& targets,
                            const BinaryCrossEntropyOptions& options = {});

struct HingeOptions {
  double margin = 1;
  Tensor weights = {};
  Reduction reduction = Reduction::mean;
};
// max(0, margin - t x), for targets of -1 and 1 in i64; derivative 0 at the kink. Throws for any
// other target.
Tensor hinge(const Tensor& scores, const Tensor& targets, const HingeOptions& options = {});

}  // namespace unroll
