#pragma once

#include <unroll/autograd/index.h>

#include <array>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>

namespace unroll {

// The extents of a tensor, outermost axis first; rank 0 is one number. At most max_rank axes.
class Shape {
 public:
  static constexpr Index max_rank = 8;

  Shape() = default;
  Shape(std::initializer_list<Index> extents);
  explicit Shape(std::span<const Index> extents);

  Index rank() const { return rank_; }
  // Extent of an axis; negative counts from the end. Throws when there is no such axis.
  Index operator[](Index axis) const;
  // Product of the extents; 1 for rank 0. Throws when it does not fit an Index.
  Index size() const;

  const Index* begin() const { return extents_.data(); }
  const Index* end() const { return extents_.data() + rank_; }
  std::span<const Index> extents() const { return {begin(), end()}; }

  Shape with(Index axis, Index extent) const;        // one extent replaced
  Shape without(Index axis) const;                   // one axis removed
  Shape inserted(Index before, Index extent) const;  // one axis added; before == rank() appends

  friend bool operator==(const Shape& a, const Shape& b);

 private:
  std::array<Index, max_rank> extents_{};
  Index rank_ = 0;
};

std::string to_string(const Shape& shape);  // "[64, 32]", "[]" for one number
std::ostream& operator<<(std::ostream& out, const Shape& shape);

// Position of an axis counted from the front; negative counts from the end. Throws, naming
// `operation`, when it is out of range for `rank`.
Index normalize_axis(std::string_view operation, Index axis, Index rank);

// The shape that a and b broadcast to: aligned at the last axis, an extent of 1 stretches.
// Returns false when they do not fit each other.
bool broadcast(const Shape& a, const Shape& b, Shape& result);

}  // namespace unroll
