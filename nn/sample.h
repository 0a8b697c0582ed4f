#pragma once

#include <unroll/autograd/rng.h>
#include <unroll/autograd/tensor.h>

namespace unroll {

struct SampleOptions {
  double temperature = 1;  // 0: the largest logit; infinite: all alike
  Index top_k = 0;         // draw among the k largest only, of equals the first; 0: among all
};

// Draws from softmax(logits / temperature): logits [..., V] in f32 or f64 → ids i64 [...]. One
// number is taken from `rng` for every row, also at temperature 0. Computed in double; a logit of
// -inf is never drawn, and +inf is drawn before all others. Throws for NaN, for a row of nothing
// but -inf, for a temperature below 0 or NaN and for top_k < 0.
Tensor sample(const Tensor& logits, Rng& rng, const SampleOptions& options = {});

}  // namespace unroll
