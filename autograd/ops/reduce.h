#pragma once

#include <unroll/autograd/tensor.h>

#include <initializer_list>
#include <vector>

namespace unroll {

// The axes that a reduction takes away: one or a list, negative from the end.
class Axes {
 public:
  Axes(Index axis) : axes_{axis} {}
  Axes(std::initializer_list<Index> axes) : axes_(axes) {}
  std::span<const Index> list() const { return axes_; }

 private:
  std::vector<Index> axes_;
};

struct ReduceOptions {
  bool keepdim = false;  // leave the axes with extent 1
};

// Σ x. Added up in double, in an order that depends on the shape alone. f32 or f64; of nothing: 0.
Tensor sum(const Tensor& x);
Tensor sum(const Tensor& x, const Axes& axes, const ReduceOptions& options = {});
// Σ x / n. Of nothing: NaN.
Tensor mean(const Tensor& x);
Tensor mean(const Tensor& x, const Axes& axes, const ReduceOptions& options = {});
// The largest element; NaN where there is one. Of equals, the first gets the gradient. Throws for
// none.
Tensor max(const Tensor& x);
Tensor max(const Tensor& x, const Axes& axes, const ReduceOptions& options = {});
// Position of the largest element along an axis, in i64; the first of equals; no gradient.
Tensor argmax(const Tensor& x, Index axis);

// Σ over whatever was stretched to make x from a tensor of `shape`.
Tensor sum_to(const Tensor& x, const Shape& shape);

}  // namespace unroll
