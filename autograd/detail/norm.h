#pragma once

#include <unroll/autograd/tensor.h>

namespace unroll::detail {

// Euclidean norm over several tensors, in double, in a fixed order. Values near the ends of the
// range are scaled, so that finite values always have a finite norm.
class NormSum {
 public:
  void add(const Tensor& x);
  double norm() const;

 private:
  // Sums of squares of blocks: of x · 2^600 where x² would underflow, of x, of x / 2^600 where it
  // would overflow.
  struct Sums {
    double small = 0;
    double plain = 0;
    double large = 0;
  };
  Sums sums_;
};

}  // namespace unroll::detail
