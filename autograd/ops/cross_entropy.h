#pragma once

#include <unroll/autograd/tensor.h>

namespace unroll {

// How the losses of many targets become one: their mean over those that count, their sum, or not at
// all.
enum class Reduction { mean, sum, none };

struct CrossEntropyOptions {
  Index ignore_index = -100;  // a target that does not count
  Tensor class_weights = {};  // [V]; undefined: all 1. The mean divides by the weights that counted
  Reduction reduction = Reduction::mean;
};

// -log softmax(logits)[target], from logits [..., V] and targets [...] in i64. Where nothing counts
// the loss is 0 with gradient 0. Throws for any other target outside 0 … V - 1.
Tensor cross_entropy(const Tensor& logits, const Tensor& targets,
                     const CrossEntropyOptions& options = {});

}  // namespace unroll
