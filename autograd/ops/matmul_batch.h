#pragma once

#include <unroll/autograd/tensor.h>

namespace unroll::detail {

// x [..., M, K] times W [..., K, N], a product for each index of the leading axes, which broadcast.
// The last axes are known to fit. Products go to tasks in fixed numbers; gradients of what was
// broadcast are added up in the order of the batch.
Tensor batched_product(const Tensor& x, const Tensor& W);

}  // namespace unroll::detail
