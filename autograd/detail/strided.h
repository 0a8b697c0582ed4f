#pragma once

#include <unroll/autograd/tensor.h>

namespace unroll::detail {

// What lies where in a block of elements: one extent and stride (in elements) for each axis.
struct Layout {
  Shape shape = {};
  std::array<Index, Shape::max_rank> strides{};
  Index offset = 0;
};
Layout dense_layout(const Shape& shape);
Layout storage_layout(const Tensor& x);

// to = from, or to += from; same shape and dtype, any strides in both. Elements of `to` must not
// overlap.
void copy_elements(const Tensor& from, const Tensor& to);
void add_elements(const Tensor& from, const Tensor& to);
void fill_elements(const Tensor& to, double value);

// x itself where it is dense, else a dense copy without history.
Tensor dense_copy(const Tensor& x);

// A tensor seen as rows: all axes but the last taken together, at one distance from row to row, the
// last one without gaps. What products and pointwise kernels work on.
struct Rows {
  Index rows = 1;
  Index columns = 1;
  Index stride = 1;  // from row to row, in elements
};
bool as_rows(std::span<const Index> extents, std::span<const Index> strides, Rows& rows);

}  // namespace unroll::detail
