#pragma once

#include <unroll/autograd/ops/cross_entropy.h>

namespace unroll::detail {

// cross_entropy with probabilities as targets; operands are checked.
Tensor cross_entropy_of_probabilities(const Tensor& logits, const Tensor& probabilities,
                                      const CrossEntropyOptions& options);

}  // namespace unroll::detail
