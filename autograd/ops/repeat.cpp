#include <unroll/autograd/ops/rearrange.h>
#include <unroll/autograd/ops/views.h>

#include <algorithm>
#include <vector>

namespace unroll {
namespace {

Index product(const Shape& shape, Index from, Index to) {
  Index all = 1;
  for (Index i = from; i < to; ++i) all *= shape[i];
  return all;
}

// Blocks of x, the indices `begin` and later of its shape, each `count` times in a row: a view that
// is stretched, and copied once.
Tensor copies(const Tensor& x, Index begin, Index count, const Shape& shape) {
  const Index blocks = product(x.shape(), 0, begin);
  const Index length = product(x.shape(), begin, x.rank());
  const Tensor stretched = expand(reshape(x, {blocks, 1, length}), {blocks, count, length});
  return reshape(stretched, shape);
}

}  // namespace

Tensor tile(const Tensor& x, std::span<const Index> counts) {
  detail::require_defined("tile", "x", x);
  const auto given = std::ssize(counts);
  if (given > Shape::max_rank ||
      std::any_of(counts.begin(), counts.end(), [](Index n) { return n < 0; })) {
    std::string list;
    for (const Index n : counts) list += (list.empty() ? "" : ", ") + std::to_string(n);
    fail("tile", {.given = "counts {" + list + "} for x " + describe(x),
                  .needed = "at most 8 counts, 0 or more",
                  .hint = {}});
  }
  Shape shape = x.shape();
  while (shape.rank() < given) shape = shape.inserted(0, 1);
  Tensor y = shape == x.shape() ? x : reshape(x, shape);
  for (Index i = 0; i < given; ++i) {
    const Index count = counts[static_cast<std::size_t>(i)];
    const Index axis = shape.rank() - given + i;
    if (count == 1) continue;
    shape = shape.with(axis, shape[axis] * count);
    y = copies(y, axis, count, shape);
  }
  return y;
}

Tensor tile(const Tensor& x, std::initializer_list<Index> counts) {
  return tile(x, std::span<const Index>(counts.begin(), counts.size()));
}

Tensor repeat(const Tensor& x, Index axis, Index count) {
  detail::require_defined("repeat", "x", x);
  const Index at = normalize_axis("repeat", axis, x.rank());
  if (count < 0)
    fail("repeat", {.given = std::to_string(count) + " times axis " + std::to_string(axis) +
                             " of x " + describe(x),
                    .needed = "0 or more",
                    .hint = {}});
  if (count == 1) return x;
  return copies(x, at + 1, count, x.shape().with(at, x.size(at) * count));
}

}  // namespace unroll
