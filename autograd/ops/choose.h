#pragma once

#include <unroll/autograd/tensor.h>

// Choosing between elements. What is not chosen never matters here: be it infinite or NaN, it does
// not reach the result, and its own gradient is exactly 0, even where the upstream gradient is NaN.
// What it was computed from gets that 0 times a derivative, which may be infinite: where(x > 0,
// log(x), 0) has gradient NaN at 0, where(x > 0, log(where(x > 0, x, 1)), 0) has 0.
// Masks are those of relations.h, in any dtype, without a gradient; shapes broadcast. f32 or f64 of
// one dtype.
namespace unroll {

// a where the mask is not 0, else b.
Tensor where(const Tensor& mask, const Tensor& a, const Tensor& b);
Tensor where(const Tensor& mask, const Tensor& a, double b);
Tensor where(const Tensor& mask, double a, const Tensor& b);

// `value` where the mask is not 0, else x.
Tensor masked_fill(const Tensor& x, const Tensor& mask, double value);

}  // namespace unroll
