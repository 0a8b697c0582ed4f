#pragma once

#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/tensor.h>

#include <initializer_list>
#include <span>

// The elements of a tensor in other places, copied. Any dtype; negative axes count from the end.
namespace unroll {

// Axes turned around: y[i] = x[n - 1 - i].
Tensor flip(const Tensor& x, const Axes& axes);

// An axis turned like a wheel: y[i + shift mod n] = x[i]. Any shift, also a negative one.
Tensor roll(const Tensor& x, Index shift, Index axis);

struct PadAxis {
  Index axis = 0;
  Index before = 0;  // how many elements are put there; >= 0
  Index after = 0;
};
struct PadOptions {
  double value = 0;
};
// x with a constant around it: pad(x, {{.axis = 1, .after = 3}}, {.value = -1}).
// The gradient of what was put there is dropped.
Tensor pad(const Tensor& x, std::span<const PadAxis> axes, const PadOptions& options = {});
Tensor pad(const Tensor& x, std::initializer_list<PadAxis> axes, const PadOptions& options = {});

// The whole of x, counts[i] times along axis i: tile({a, b}, {3}) is {a, b, a, b, a, b}. More
// counts than axes are for new axes in front, fewer for the last ones. dx = Σ dy over the copies.
Tensor tile(const Tensor& x, std::span<const Index> counts);
Tensor tile(const Tensor& x, std::initializer_list<Index> counts);
// Each index of an axis `count` times in a row: repeat({a, b}, 0, 3) is {a, a, a, b, b, b}.
Tensor repeat(const Tensor& x, Index axis, Index count);

struct TriangleOptions {
  Index diagonal = 0;  // above the main one; negative: below it
};
// x [..., M, N] with 0 above the diagonal (tril) or below it (triu), whatever x holds there.
Tensor tril(const Tensor& x, const TriangleOptions& options = {});
Tensor triu(const Tensor& x, const TriangleOptions& options = {});

}  // namespace unroll
