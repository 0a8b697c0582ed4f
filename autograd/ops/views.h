#pragma once

#include <unroll/autograd/tensor.h>

#include <array>
#include <optional>

// Views: another shape on the same elements, without a copy. Any dtype. Axes may be counted from
// the end.
namespace unroll {

// [..., n, ...] → [..., ...]: the elements at one index of an axis; a negative index counts from
// the end.
Tensor select(const Tensor& x, Index axis, Index index);

struct SliceOptions {
  Index axis = 0;
  Index from = 0;
  std::optional<Index> to = {};  // half-open; none: to the end; negative counts from the end
  Index step = 1;                // > 0
};
Tensor slice(const Tensor& x, const SliceOptions& options);

Tensor transpose(const Tensor& x, Index axis_a, Index axis_b);
// The same elements in row-major order; copies where x has gaps that do not fit.
Tensor reshape(const Tensor& x, const Shape& shape);
// Axes of extent 1 stretched to `shape`, without a copy.
Tensor expand(const Tensor& x, const Shape& shape);
// x itself where its elements lie one after another, else a copy where they do.
Tensor contiguous(const Tensor& x);

namespace detail {
void split_equal(const Tensor& x, Index axis, std::span<Tensor> pieces);
void split_sizes(const Tensor& x, std::span<const Index> sizes, Index axis,
                 std::span<Tensor> pieces);
}  // namespace detail

// N equal pieces of an axis: auto [i, f, g, o] = split<4>(gates, -1);
template <std::size_t N>
std::array<Tensor, N> split(const Tensor& x, Index axis) {
  std::array<Tensor, N> pieces;
  detail::split_equal(x, axis, pieces);
  return pieces;
}

// Pieces of the given sizes: auto [m, gates] = split(p, {n, 4 * n}, -1);
template <std::size_t N>
std::array<Tensor, N> split(const Tensor& x, const Index (&sizes)[N], Index axis) {
  std::array<Tensor, N> pieces;
  detail::split_sizes(x, sizes, axis, pieces);
  return pieces;
}

}  // namespace unroll
