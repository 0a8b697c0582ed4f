#pragma once

#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/tensor.h>

// Comparisons, element by element, and the masks that they give. A mask is a tensor in which 0 is
// false and any other number true; a comparison of f32 or f64 gives 1 and 0 in that dtype, one of
// i64 in f32. So a mask can be counted by sum and multiplied with, and where takes it in any dtype.
// Nothing here has a derivative, is recorded, or minds a history. Shapes broadcast.
namespace unroll {

// Of one dtype; a number takes that of the tensor. NaN is unequal to everything. Whether two
// tensors are the same is all_equal or all_close.
Tensor operator<(const Tensor& x, const Tensor& y);
Tensor operator<=(const Tensor& x, const Tensor& y);
Tensor operator>(const Tensor& x, const Tensor& y);
Tensor operator>=(const Tensor& x, const Tensor& y);
Tensor operator==(const Tensor& x, const Tensor& y);
Tensor operator!=(const Tensor& x, const Tensor& y);

Tensor operator<(const Tensor& x, double y);
Tensor operator<=(const Tensor& x, double y);
Tensor operator>(const Tensor& x, double y);
Tensor operator>=(const Tensor& x, double y);
Tensor operator==(const Tensor& x, double y);
Tensor operator!=(const Tensor& x, double y);
inline Tensor operator<(double x, const Tensor& y) { return y > x; }
inline Tensor operator<=(double x, const Tensor& y) { return y >= x; }
inline Tensor operator>(double x, const Tensor& y) { return y < x; }
inline Tensor operator>=(double x, const Tensor& y) { return y <= x; }
inline Tensor operator==(double x, const Tensor& y) { return y == x; }
inline Tensor operator!=(double x, const Tensor& y) { return y != x; }

// Of masks, to a mask of 1 and 0 in the dtype of the first (f32 where that is i64).
Tensor operator&(const Tensor& a, const Tensor& b);
Tensor operator|(const Tensor& a, const Tensor& b);
Tensor operator!(const Tensor& mask);

// Whether a mask holds anywhere, or everywhere. Of no element: false, true.
bool any(const Tensor& mask);
bool all(const Tensor& mask);
// The same along axes, as a mask.
Tensor any(const Tensor& mask, const Axes& axes, const ReduceOptions& options = {});
Tensor all(const Tensor& mask, const Axes& axes, const ReduceOptions& options = {});

namespace detail {
// A mask in a floating dtype, without history: itself where it has that dtype.
Tensor mask_in(const char* operation, const Tensor& mask, DType dtype);
}  // namespace detail

}  // namespace unroll
