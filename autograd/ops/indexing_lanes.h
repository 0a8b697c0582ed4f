#pragma once

#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/parallel.h>

#include <algorithm>
#include <string>
#include <vector>

// What the operations that choose elements by ids have in common.
namespace unroll::detail {

struct AlongAxis {
  Index axis;
};

// Throws unless `source` can be added into x.
void check_source(std::string_view operation, const Tensor& x, const Tensor& source,
                  const Shape& shape);
// What has as many ids as an error says.
std::string axis_text(const Tensor& x, Index axis);

// Calls body(lane, first, last) for blocks of the inner positions of each lane; all ids of one
// block belong to one task.
template <class Body>
void for_each_lane(Index outer, Index along, Index inner, const Body& body) {
  constexpr Index width = 512;
  constexpr Index task_elements = 16384;
  const Index blocks = (inner + width - 1) / width;
  const Index work = std::max<Index>(1, along * std::min(inner, width));
  parallel_for(outer * blocks, std::max<Index>(1, task_elements / work),
               [&](Index begin, Index end) {
                 for (Index task = begin; task < end; ++task) {
                   const Index first = task % blocks * width;
                   body(task / blocks, first, std::min(inner, first + width));
                 }
               });
}

// Adds in double, and rounds once.
template <class Add>
Tensor added(const Tensor& x, const Add& add) {
  if (x.dtype() != f32) {
    Tensor y = empty_like(*x.header());
    copy_elements(x, y);
    visit(x.dtype(), [&]<class T>(T) { add(data<T>(y), T{}); });
    return y;
  }
  const Tensor from = dense_copy(x);
  std::vector<double> sum(from.span<float>().begin(), from.span<float>().end());
  add(sum.data(), float{});
  Tensor y = empty_like(*x.header());
  std::transform(sum.begin(), sum.end(), data<float>(y),
                 [](double v) { return static_cast<float>(v); });
  return y;
}

}  // namespace unroll::detail
