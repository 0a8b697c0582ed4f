#pragma once

#include <unroll/autograd/tensor.h>

namespace unroll {

class Backward;

// y[i] = x[positions[i]], positions in row-major order of x; the shape of `positions`.
Tensor gather_flat(const Tensor& x, const Tensor& positions);
// Its inverse: zeros of `shape` with x[i] added at positions[i].
Tensor scatter_flat(const Tensor& x, const Tensor& positions, const Shape& shape);

namespace detail {

// The rule of what chose elements of its input at positions that it saved.
void flat_derivative(Backward& b);

template <class T>
bool is_nan(T x) {
  return x != x;
}

}  // namespace detail

}  // namespace unroll
