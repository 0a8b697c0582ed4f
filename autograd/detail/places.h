#pragma once

#include <unroll/autograd/detail/header.h>
#include <unroll/autograd/shape.h>

#include <array>
#include <cstddef>
#include <vector>

// The elements of any tensor, one by one. For what checks and reports, not for what computes.
namespace unroll::detail {

// Calls f(number in row-major order, distance from x.data in elements) for every element.
template <class F>
void for_each_place(const Header& x, const F& f) {
  const auto size = static_cast<std::size_t>(x.size);
  if (x.is(Header::dense)) {
    for (std::size_t i = 0; i < size; ++i) f(i, static_cast<Index>(i));
    return;
  }
  std::array<Index, Shape::max_rank> at{};
  Index place = 0;
  for (std::size_t i = 0; i < size; ++i) {
    f(i, place);
    for (std::size_t axis = x.rank; axis-- > 0;) {
      place += x.strides()[axis];
      if (++at[axis] < x.extents()[axis]) break;
      place -= x.strides()[axis] * x.extents()[axis];
      at[axis] = 0;
    }
  }
}

// The first and the last place that for_each_place meets.
struct Reach {
  Index first = 0;
  Index last = 0;
};
inline Reach reach_of(const Header& x) {
  Reach reach;
  for (std::size_t axis = 0; axis < x.rank; ++axis) {
    const Index to = (x.extents()[axis] - 1) * x.strides()[axis];
    (to < 0 ? reach.first : reach.last) += to;
  }
  return reach;
}

// In row-major order; whole numbers and f32 as double.
std::vector<double> elements_of(const Header& x);

}  // namespace unroll::detail
