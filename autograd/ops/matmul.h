#pragma once

#include <unroll/autograd/tensor.h>

namespace unroll {

// Products of matrices, in f32 or f64. Throws where the axes taken together differ in extent.
//   x [..., K]     W [K, N]       → [..., N]      all rows of x at once; a vector x gives [N]
//   x [..., M, K]  W [..., K, N]  → [..., M, N]   a product for each index of the leading axes,
//                                                 which broadcast; a vector x gives [..., N]
//   x [..., M, K]  W [K]          → [..., M]
//   x [K]          W [K]          → []
Tensor matmul(const Tensor& x, const Tensor& W);

// Σ a·b of two vectors [K] → [].
Tensor dot(const Tensor& a, const Tensor& b);
// a [M] and b [N] → [M, N], each element of a times each of b.
Tensor outer(const Tensor& a, const Tensor& b);

// x·W + b, in one pass. b is [N], or has the shape of the result: affine(h, Wh, gates) adds to
// gates.
Tensor affine(const Tensor& x, const Tensor& W, const Tensor& b);

}  // namespace unroll
