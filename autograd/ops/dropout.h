#pragma once

#include <unroll/autograd/tensor.h>

namespace unroll {

// A mask of 0 with probability `rate`, else 1 / (1 - rate), from the tape's next random stream
// (without a tape from default_rng()). The bits of a row depend on its number in the batch alone.
// Throws unless 0 <= rate < 1 and the dtype is f32 or f64.
Tensor dropout_mask(const Shape& shape, double rate, DType dtype = f32);

// x times a mask that is given. Where that is 0, so are value and gradient, exactly, whatever x and
// the upstream gradient hold. The mask gets no gradient. f32 or f64 of one dtype; shapes broadcast.
Tensor dropout(const Tensor& x, const Tensor& mask);

// The same with a new mask where dropout acts on this thread (is_training()); else, and at rate 0,
// x itself. Srivastava et al. 2014.
Tensor dropout(const Tensor& x, double rate);

}  // namespace unroll
