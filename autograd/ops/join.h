#pragma once

#include <unroll/autograd/tensor.h>

#include <initializer_list>
#include <span>
#include <vector>

namespace unroll {

// Tensors one after another along an axis; all other extents equal. concat({a, b}, -1).
Tensor concat(std::span<const Tensor> parts, Index axis);
Tensor concat(std::initializer_list<Tensor> parts, Index axis);

// Tensors of one shape along a new axis. stack(outputs, 0) makes [T, B, F] of T tensors [B, F].
Tensor stack(std::span<const Tensor> parts, Index axis);
Tensor stack(std::initializer_list<Tensor> parts, Index axis);

namespace detail {

// stack(parts, 0) of tensors that come one by one: each is copied into place at once, so that none
// has to be kept until all are there.
class Stacking {
 public:
  explicit Stacking(Index count) : parts_(static_cast<std::size_t>(count)) {}
  void put(Index at, const Tensor& x);
  Tensor finish() const;  // after as many calls of put(), of which there is at least one

 private:
  Tensor whole_;
  std::vector<Tensor> parts_;  // places in `whole_`, with the histories of what was put there
};

}  // namespace detail
}  // namespace unroll
