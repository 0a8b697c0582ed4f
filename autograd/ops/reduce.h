#pragma once

#include <unroll/autograd/tensor.h>

#include <initializer_list>
#include <vector>

// Reductions, over all elements or over some axes. Sums are added up in double, in an order that
// depends on the shape alone. A NaN reaches its result. f32 or f64; max, min and their positions
// also i64.
namespace unroll {

// The axes that a reduction takes away: one, a list, or all; negative from the end.
class Axes {
 public:
  Axes(Index axis) : axes_{axis} {}
  Axes(std::initializer_list<Index> axes) : axes_(axes) {}
  Axes(const std::vector<Index>& axes) : axes_(axes) {}  // chosen at run time
  static Axes all() {                                    // norm(x, Axes::all(), {.p = 1})
    Axes axes{};
    axes.all_ = true;
    return axes;
  }
  std::span<const Index> list() const { return axes_; }
  bool are_all() const { return all_; }

 private:
  std::vector<Index> axes_;
  bool all_ = false;
};

struct ReduceOptions {
  bool keepdim = false;  // leave the axes with extent 1
};

// Σ x. Of nothing: 0.
Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, const Axes& axes, const ReduceOptions& options = {});
// Σ x / n. Of nothing: NaN.
Tensor mean(const Tensor& x);
Tensor mean(const Tensor& x, const Axes& axes, const ReduceOptions& options = {});
// Π x. Of nothing: 1. The derivative is right with any number of zeros.
Tensor prod(const Tensor& x);
Tensor prod(const Tensor& x, const Axes& axes, const ReduceOptions& options = {});

// The largest and the smallest element; NaN where there is one. Of equals, the first gets the
// gradient. Throws for none.
Tensor max(const Tensor& x);
Tensor max(const Tensor& x, const Axes& axes, const ReduceOptions& options = {});
Tensor min(const Tensor& x);
Tensor min(const Tensor& x, const Axes& axes, const ReduceOptions& options = {});
// Position of the largest or smallest element along an axis, or in row-major order of x; i64,
// without a gradient. The first of equals, the first NaN where there is one. Throws for none.
Tensor argmax(const Tensor& x);
Tensor argmax(const Tensor& x, Index axis, const ReduceOptions& options = {});
Tensor argmin(const Tensor& x);
Tensor argmin(const Tensor& x, Index axis, const ReduceOptions& options = {});

struct VarOptions {
  // 0: of the elements; 1: the unbiased estimate for what they are drawn from.
  Index correction = 1;
  bool keepdim = false;
};
// Σ (x - mean)² / (n - correction), in two passes: right also where the spread is small beside the
// mean. NaN where n = 0 or n = correction = 1 (0 / 0), inf where n - correction <= 0 else. Throws
// for a negative correction.
Tensor var(const Tensor& x);
Tensor var(const Tensor& x, const Axes& axes, const VarOptions& options = {});
// √var; derivative where all are equal: 0. (Not `std`, which beside the namespace could not be
// called.)
Tensor stddev(const Tensor& x);
Tensor stddev(const Tensor& x, const Axes& axes, const VarOptions& options = {});

struct NormOptions {
  double p = 2;  // 1: Σ |x|; 2: √Σ x²; infinity: max |x|
  bool keepdim = false;
};
// Norm of the elements, finite wherever it can be written: squares neither overflow nor underflow.
// Of nothing: 0. Derivative at 0: 0, for p = 1 of each element that is 0; for infinity the first of
// equals gets it. At an infinite element: NaN for p = 2. Throws for another p.
Tensor norm(const Tensor& x);
Tensor norm(const Tensor& x, const Axes& axes, const NormOptions& options = {});

// log Σ eˣ, without overflow; derivative softmax(x). Where all are -inf, or there are none: -inf
// with derivative 0. Where one is +inf: +inf; the derivative is NaN there.
Tensor logsumexp(const Tensor& x);
Tensor logsumexp(const Tensor& x, const Axes& axes, const ReduceOptions& options = {});

// Σ over whatever was stretched to make x from a tensor of `shape`.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace unroll
