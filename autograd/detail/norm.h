#pragma once

#include <unroll/autograd/tensor.h>

namespace unroll::detail {

// Euclidean norm over several tensors, in double, in a fixed order. Values near the ends of the range
// are scaled, so that finite values always have a finite norm.
class NormSum {
 public:
  void add(const Tensor& x);
  double norm() const;

 private:
  double plain_ = 0;   // sum of squares of what squares well
  double scaled_ = 0;  // sum of squares of x / 2^500 for what would overflow
};

}  // namespace unroll::detail
