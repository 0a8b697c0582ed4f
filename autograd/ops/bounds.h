#pragma once

#include <unroll/autograd/tensor.h>

#include <limits>

namespace unroll {

struct ClampOptions {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
};
// x, but no less than low and no more than high: clamp(x, {.low = 0, .high = 6}). The derivative is
// 1 between the bounds and at them, beyond them exactly 0; NaN stays NaN. f32 or f64. Throws unless
// low <= high.
Tensor clamp(const Tensor& x, const ClampOptions& options);

// The larger and the smaller of two, element by element; f32 or f64 of one dtype, shapes broadcast.
// NaN in either is the result. Of equals the first gets the whole gradient, beside a number the
// tensor; what is not taken gets exactly 0.
Tensor maximum(const Tensor& x, const Tensor& y);
Tensor minimum(const Tensor& x, const Tensor& y);
Tensor maximum(const Tensor& x, double y);
Tensor minimum(const Tensor& x, double y);
inline Tensor maximum(double x, const Tensor& y) { return maximum(y, x); }
inline Tensor minimum(double x, const Tensor& y) { return minimum(y, x); }

}  // namespace unroll
