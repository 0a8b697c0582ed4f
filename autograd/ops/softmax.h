#pragma once

#include <unroll/autograd/tensor.h>

namespace unroll {

struct SoftmaxOptions {
  Tensor mask = {};  // 0 where an element does not count; any dtype, broadcasts to the shape of x
};

// eˣ / Σ eˣ along an axis, without overflow; f32 or f64. With a mask, over what counts alone: the
// rest is exactly 0, and so is its gradient, whatever x and the upstream gradient hold there.
// Nothing that counts, or all of it -inf: 0 with gradient 0. A NaN that counts, or +inf, makes its
// row NaN. Throws for a mask that does not broadcast to x.
Tensor softmax(const Tensor& x, Index axis = -1, const SoftmaxOptions& options = {});

// x - log Σ eˣ along an axis, without overflow; f32 or f64. The sum is of the others beside the
// largest, so that also a logarithm near 0 is right. All -inf: -inf with gradient 0. A NaN or +inf
// makes its row NaN.
Tensor log_softmax(const Tensor& x, Index axis = -1);

}  // namespace unroll
