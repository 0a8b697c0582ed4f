#pragma once

#include <unroll/autograd/tensor.h>

// Choosing between elements. What is not chosen never matters: be it infinite or NaN, it reaches
// neither the result nor any gradient, and its own gradient is exactly 0, even where the upstream
// gradient is NaN. Masks are those of relations.h, in any dtype, without a gradient; shapes
// broadcast. f32 or f64 of one dtype.
namespace unroll {

// a where the mask is not 0, else b.
Tensor where(const Tensor& mask, const Tensor& a, const Tensor& b);
Tensor where(const Tensor& mask, const Tensor& a, double b);
Tensor where(const Tensor& mask, double a, const Tensor& b);

// `value` where the mask is not 0, else x.
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);

}  // namespace unroll
