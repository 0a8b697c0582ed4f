#pragma once

#include <unroll/autograd/tensor.h>

// Running sums along an axis; the shape stays. f32 or f64, in double inside; a NaN reaches
// everything behind it. Throws where x has no such axis.
namespace unroll {

struct ScanOptions {
  bool reverse = false;  // from the end: y = Σ of x here and behind
};

// y = Σ of x up to here; dx = Σ of dy from here on.
Tensor cumsum(const Tensor& x, Index axis, const ScanOptions& options = {});
// y = log Σ eˣ up to here, without overflow. -inf as long as all are, +inf from the first on; terms
// of either have derivative 0.
Tensor logcumsumexp(const Tensor& x, Index axis, const ScanOptions& options = {});

}  // namespace unroll
