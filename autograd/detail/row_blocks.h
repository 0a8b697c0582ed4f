#pragma once

#include <unroll/autograd/tensor.h>

namespace unroll::detail {

// Rows that are worked on in one piece: those of a sequence that a layer projects, and those of the
// products that are gathered for the gradient of one weight. Bounds the memory that waits, and is a
// fixed cut for the order of the sum.
inline constexpr Index rows_at_once = 2048;

// All axes but the last taken together, also where the rows have no elements.
inline Index row_count(const Tensor& x) {
  Index rows = 1;
  for (Index i = 0; i + 1 < x.rank(); ++i) rows *= x.size(i);
  return rows;
}

}  // namespace unroll::detail
