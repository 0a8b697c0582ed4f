#pragma once

#include <unroll/autograd/tensor.h>

// Elements chosen by ids: whole numbers in i64, 0 … n - 1. An id outside throws, naming its
// position and the range. Nothing flows to ids. Sums are taken in the order of the ids, in double,
// whatever the number of threads.
namespace unroll {

// y[…, k, …] = x[…, index[…, k, …], …]. `index` has the rank of x and, on all other axes, at most
// its extents; y has the shape of `index`. dx = zeros with dy added where it was taken from.
Tensor gather(const Tensor& x, Index axis, const Tensor& index);

// x with source[…, k, …] added at x[…, index[…, k, …], …]; the adjoint of gather. `source` and
// `index` have one shape. An id that is there several times adds several times.
//   scatter_add(zeros({B, V}), -1, ids, weights)
Tensor scatter_add(const Tensor& x, Index axis, const Tensor& index, const Tensor& source);

// Whole indices of an axis: its place in the shape of x is taken by the shape of `ids`.
//   index_select(weights, labels)          the weight of each label
Tensor index_select(const Tensor& x, Index axis, const Tensor& ids);
Tensor index_select(const Tensor& x, const Tensor& ids);  // of axis 0

// x with the parts of `source` added at the indices `ids` of an axis; the adjoint of index_select.
// `source` has the shape of index_select(x, axis, ids).
Tensor index_add(const Tensor& x, Index axis, const Tensor& ids, const Tensor& source);

// 1 at each id, else 0, on a new last axis of `count` classes.
Tensor one_hot(const Tensor& ids, Index count, DType dtype = f32);

namespace detail {
// Throws unless all are in 0 … count - 1; `of` says what has that many.
void check_ids(std::string_view operation, const Tensor& ids, Index count, const std::string& of);
}  // namespace detail

}  // namespace unroll
