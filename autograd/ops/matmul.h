#pragma once

#include <unroll/autograd/tensor.h>

namespace unroll {

// x [..., K] times W [K, N] → [..., N]. f32 or f64. A vector x [K] gives [N].
Tensor matmul(const Tensor& x, const Tensor& W);

// x·W + b, in one pass. b is [N], or has the shape of the result: affine(h, Wh, gates) adds to
// gates.
Tensor affine(const Tensor& x, const Tensor& W, const Tensor& b);

}  // namespace unroll
