#pragma once

#include <unroll/autograd/tensor.h>

// More functions element by element, f32 or f64. Derivatives at awkward points are stated.
namespace unroll {

Tensor sign(const Tensor& x);   // 1, -1, or x itself where it is a zero or NaN; derivative 0
Tensor rsqrt(const Tensor& x);  // 1 / √x; at 0 inf with derivative -inf
Tensor expm1(const Tensor& x);  // eˣ - 1, accurate near 0
Tensor log1p(const Tensor& x);  // log(1 + x), accurate near 0; at -1 -inf with derivative inf
Tensor sin(const Tensor& x);
Tensor cos(const Tensor& x);
Tensor erf(const Tensor& x);  // 2/√π ∫ e^(-t²) dt from 0 to x

// x^y; shapes broadcast. NaN for a negative x unless y is a whole number; x^0 and 1^y are 1,
// whatever x and y are. The derivative with respect to x is 0 where y is 0, also at x = 0, and at
// x = 0 it is 1 for y = 1 and inf for 0 < y < 1. That with respect to y is 0 where x is 0 and
// y >= 0, and NaN for negative x.
Tensor pow(const Tensor& x, const Tensor& y);
Tensor pow(const Tensor& x, double y);
Tensor pow(double x, const Tensor& y);

}  // namespace unroll
