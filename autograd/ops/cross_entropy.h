#pragma once

#include <unroll/autograd/ops/loss_options.h>

// Losses of choices among classes, which lie along the last axis. See LossOptions for weights and
// masks: a weight belongs to a position, that is to one row of classes.
namespace unroll {

struct CrossEntropyOptions {
  Index ignore_index = -100;   // a target that does not count
  Tensor class_weights = {};   // [V], f32 or f64, none below 0; undefined: all 1
  double label_smoothing = 0;  // 0 … 1: how much of each target is spread evenly over all classes
  Tensor weights = {};         // of positions, broadcasting to the targets
  Reduction reduction = Reduction::mean;
};

// -log softmax(logits)[target], from logits [..., V] and targets [...] in i64. Where nothing counts
// the loss is 0 with gradient 0. Throws for any other target outside 0 … V - 1.
//
// A class weight is that of the positions with this target: the mean divides by it as well, and at
// 0 they do not count. With label smoothing ε, as Szegedy et al. 2016 have it, the loss is
//   (1 - ε) · class_weight[target] · -log p[target] + ε/V · Σ class_weight[c] · -log p[c]
// Finite for all finite logits in f32, and up to ±1e300 in f64. A class with a logit of -inf has
// p = 0: it may be there, at the cost of an infinite loss where it is the target. A row that is all
// -inf has the loss inf and gradient 0; NaN and +inf give NaN.
//
// Targets in the dtype and shape of the logits are probabilities of the classes instead, and are
// differentiable: Σ class_weight[c] · ((1 - ε) t[c] + ε/V) · -log p[c], 0 where p and t are both 0.
// ignore_index has no meaning there, and the mean divides by the weights of positions alone.
Tensor cross_entropy(const Tensor& logits, const Tensor& targets,
                     const CrossEntropyOptions& options = {});

struct NllOptions {
  Index ignore_index = -100;
  Tensor class_weights = {};
  Tensor weights = {};
  Reduction reduction = Reduction::mean;
};
// -log_probabilities[target], the second half of cross_entropy, for log-probabilities that were
// made elsewhere. Targets, ignored ones, weights and errors as there.
Tensor nll(const Tensor& log_probabilities, const Tensor& targets, const NllOptions& options = {});

// Σ softmax(t) (log softmax(t) - log softmax(x)) over the classes: how far the distribution of the
// logits x is from that of the target logits t, KL(t ‖ x) of Kullback and Leibler 1951. One shape
// and dtype; both are differentiable. Log-probabilities are logits and may be given as they are. A
// target probability of 0 (a logit of -inf) adds 0. The mean is over positions, not over classes.
Tensor kl_divergence(const Tensor& logits, const Tensor& target_logits,
                     const LossOptions& options = {});

}  // namespace unroll
