#pragma once

#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/state.h>

// Rows of a batch: any state whose tensors have the samples along one axis. A batch of another kind,
// such as one that mixes [T, B, F] with [B] or has lengths in a std::vector, brings both functions
// itself, in its own namespace and without options:
//   Batch slice_rows(const Batch& batch, Index begin, Index end);
//   Index count_rows(const Batch& batch);
namespace unroll {

struct RowsOptions {
  Index axis = 0;  // of the rows, in every tensor; negative counts from the end
};

namespace detail {
// The extent of an axis of x, which is `known` unless that is -1. Throws where they differ.
Index checked_rows(const Tensor& x, Index axis, Index known);
}  // namespace detail

// Rows begin … end - 1 of every defined tensor, as views. Numbers are copied.
template <class S>
S slice_rows(const S& batch, Index begin, Index end, const RowsOptions& options = {}) {
  return map_tensors(batch, [&](const Tensor& x) {
    return slice(x, {.axis = options.axis, .from = begin, .to = end});
  });
}

// How many rows there are. Throws where two tensors disagree; without tensors: 0.
template <class S>
Index count_rows(const S& batch, const RowsOptions& options = {}) {
  Index rows = -1;
  for_each_tensor(batch, [&](const Tensor& x) {
    if (x.defined()) rows = detail::checked_rows(x, options.axis, rows);
  });
  return rows < 0 ? 0 : rows;
}

}  // namespace unroll
