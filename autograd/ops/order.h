#pragma once

#include <unroll/autograd/tensor.h>

// Elements in order along an axis; f32, f64 or i64. Values are differentiable: the gradient goes to
// where each was taken from. Positions count along the axis, in i64, without a gradient. Throws
// where x has no such axis.
namespace unroll {

struct Sorted {
  Tensor values;
  Tensor positions;
};

struct SortOptions {
  bool descending = false;
};
// Stable: equals keep their order. NaN comes last, ascending or descending.
Sorted sort(const Tensor& x, Index axis = -1, const SortOptions& options = {});
// The positions alone.
Tensor argsort(const Tensor& x, Index axis = -1, const SortOptions& options = {});

// The k largest, largest first; of equals the one at the lower position first. NaN counts as larger
// than any number, so that top_k(x, 1) is max(x). Throws unless 0 <= k <= the extent of the axis.
Sorted top_k(const Tensor& x, Index k, Index axis = -1);

}  // namespace unroll
