#pragma once

#include <unroll/autograd/tensor.h>

#include <concepts>

// Arithmetic, element by element, over f32 or f64 of one dtype; shapes broadcast. A number takes
// the dtype of the tensor beside it. `*` is elementwise; a matrix product is spelled matmul.
namespace unroll {

Tensor operator+(const Tensor& x, const Tensor& y);
Tensor operator-(const Tensor& x, const Tensor& y);
Tensor operator*(const Tensor& x, const Tensor& y);
Tensor operator/(const Tensor& x, const Tensor& y);
Tensor operator-(const Tensor& x);

Tensor operator+(const Tensor& x, double y);
Tensor operator+(double x, const Tensor& y);
Tensor operator-(const Tensor& x, double y);
Tensor operator-(double x, const Tensor& y);
Tensor operator*(const Tensor& x, double y);
Tensor operator*(double x, const Tensor& y);
Tensor operator/(const Tensor& x, double y);
Tensor operator/(double x, const Tensor& y);

// a += b means a = a + b: the handle moves on, no other handle sees it.
template <class Y>
Tensor& operator+=(Tensor& x, const Y& y) {
  return x = x + y;
}
template <class Y>
Tensor& operator-=(Tensor& x, const Y& y) {
  return x = x - y;
}
template <class Y>
Tensor& operator*=(Tensor& x, const Y& y) {
  return x = x * y;
}
template <class Y>
Tensor& operator/=(Tensor& x, const Y& y) {
  return x = x / y;
}

}  // namespace unroll
