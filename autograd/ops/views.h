#pragma once

#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/tensor.h>

#include <array>
#include <initializer_list>
#include <optional>
#include <span>
#include <vector>

// Views: another shape on the same elements, without a copy. Any dtype. Axes may be counted from
// the end. The gradient of a view goes to the place that it shows, and is 0 elsewhere.
namespace unroll {

// [..., n, ...] → [..., ...]: the elements at one index of an axis; a negative index counts from
// the end.
Tensor select(const Tensor& x, Index axis, Index index);

struct SliceOptions {
  Index axis = 0;
  Index from = 0;                // negative counts from the end
  std::optional<Index> to = {};  // half-open; none: to the end; negative counts from the end
  Index step = 1;                // > 0; flip() turns an axis around
};
// Every step-th index of an axis from `from` on, below `to`. Throws where either lies outside it.
Tensor slice(const Tensor& x, const SliceOptions& options);

// Two axes exchanged.
Tensor transpose(const Tensor& x, Index axis_a, Index axis_b);
// All axes in another order: axis i of the result is axis axes[i] of x. Throws unless each is there
// once. permute(x, {1, 0, 2})
Tensor permute(const Tensor& x, std::span<const Index> axes);
Tensor permute(const Tensor& x, std::initializer_list<Index> axes);
// Without its axes of extent 1, or without those given; throws where one of these is longer.
Tensor squeeze(const Tensor& x);
Tensor squeeze(const Tensor& x, const Axes& axes);
// With a new axis of extent 1, which becomes axis `axis` of the result.
Tensor unsqueeze(const Tensor& x, Index axis);

struct DiagonalOptions {
  Index axis_a = 0;
  Index axis_b = 1;
  Index offset = 0;  // above the diagonal; negative: below it
};
// x[i, i + offset] of two axes, as the last axis of the result; empty where there is no such.
Tensor diagonal(const Tensor& x, const DiagonalOptions& options = {});

// The same elements in row-major order; copies where x has gaps that do not fit. In a list one
// extent may be -1, for what the others leave: reshape(x, {-1, n}).
Tensor reshape(const Tensor& x, const Shape& shape);
Tensor reshape(const Tensor& x, std::initializer_list<Index> extents);
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

// The same where the number of pieces is known at run time.
std::vector<Tensor> split(const Tensor& x, std::span<const Index> sizes, Index axis);
// Up to `count` pieces of extent ⌈n / count⌉, of which the last may be smaller.
std::vector<Tensor> chunk(const Tensor& x, Index count, Index axis);
// What lies at each index of an axis, without that axis; undoes stack.
std::vector<Tensor> unstack(const Tensor& x, Index axis);

}  // namespace unroll
