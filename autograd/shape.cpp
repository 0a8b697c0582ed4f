#include <unroll/autograd/error.h>
#include <unroll/autograd/shape.h>

#include <algorithm>
#include <ostream>

namespace unroll {

Shape::Shape(std::initializer_list<Index> extents)
    : Shape(std::span<const Index>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const Index> extents) : rank_(std::ssize(extents)) {
  if (rank_ > max_rank)
    fail("shape", {.given = std::to_string(rank_) + " axes", .needed = "at most 8", .hint = {}});
  std::copy(extents.begin(), extents.end(), extents_.begin());
  for (const Index extent : extents)
    if (extent < 0)
      fail("shape", {.given = to_string(*this),
                     .needed = "extents >= 0",
                     .hint = "-1 for what is left is understood by reshape(x, {-1, n}) alone"});
}

Index Shape::operator[](Index axis) const {
  return extents_[static_cast<std::size_t>(normalize_axis("shape", axis, rank_))];
}

Index Shape::size() const {
  Index product = 1;
  for (const Index extent : *this)
    if (__builtin_mul_overflow(product, extent, &product))
      fail("shape", {.given = to_string(*this), .needed = "fewer than 2^63 elements", .hint = {}});
  return product;
}

Shape Shape::with(Index axis, Index extent) const {
  Shape result = *this;
  result.extents_[static_cast<std::size_t>(normalize_axis("shape", axis, rank_))] = extent;
  return result;
}

Shape Shape::without(Index axis) const {
  const Index at = normalize_axis("shape", axis, rank_);
  Shape result = *this;
  std::copy(begin() + at + 1, end(), result.extents_.begin() + at);
  --result.rank_;
  result.extents_[static_cast<std::size_t>(result.rank_)] = 0;
  return result;
}

Shape Shape::inserted(Index before, Index extent) const {
  const Index at = normalize_axis("shape", before, rank_ + 1);
  if (rank_ == max_rank)
    fail("shape",
         {.given = to_string(*this) + " and one axis more", .needed = "at most 8", .hint = {}});
  Shape result = *this;
  std::copy_backward(begin() + at, end(), result.extents_.begin() + rank_ + 1);
  result.extents_[static_cast<std::size_t>(at)] = extent;
  ++result.rank_;
  return result;
}

bool operator==(const Shape& a, const Shape& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (const Index extent : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  return text + "]";
}

std::ostream& operator<<(std::ostream& out, const Shape& shape) { return out << to_string(shape); }

Index normalize_axis(std::string_view operation, Index axis, Index rank) {
  if (axis < -rank || axis >= rank)
    fail(operation,
         {.given = "axis " + std::to_string(axis) + " of a tensor of rank " + std::to_string(rank),
          .needed = rank == 0 ? std::string("a tensor with axes")
                              : std::to_string(-rank) + " … " + std::to_string(rank - 1),
          .hint = {}});
  return axis < 0 ? axis + rank : axis;
}

bool broadcast(const Shape& a, const Shape& b, Shape& result) {
  const Shape longer = a.rank() >= b.rank() ? a : b;
  const Shape shorter = a.rank() >= b.rank() ? b : a;
  result = longer;
  const Index shift = longer.rank() - shorter.rank();
  for (Index i = 0; i < shorter.rank(); ++i) {
    const Index x = longer.begin()[i + shift];
    const Index y = shorter.begin()[i];
    if (x == y || y == 1) continue;
    if (x != 1) return false;
    result = result.with(i + shift, y);
  }
  return true;
}

}  // namespace unroll
