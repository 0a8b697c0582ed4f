#pragma once

#include <unroll/autograd/tensor.h>

namespace unroll {

// eˣ / Σ eˣ along an axis, without overflow.
Tensor softmax(const Tensor& x, Index axis = -1);
// x - log Σ eˣ along an axis, without overflow.
Tensor log_softmax(const Tensor& x, Index axis = -1);

}  // namespace unroll
