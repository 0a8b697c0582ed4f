#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/matmul.h>
#include <unroll/nn/normalization.h>
#include <unroll/nn/recurrent_weights.h>

namespace unroll::nn {

Tensor RecurrentWeights::product(const Tensor& h, const Tensor& added) const {
  if (norm_recurrent != nullptr) {
    const Tensor y = (*norm_recurrent)(matmul(h_mask.defined() ? h * h_mask : h, Wh));
    return added.defined() ? y + added : y;
  }
  if (h_mask.defined()) return RecurrentWeights{.Wh = Wh}.product(h * h_mask, added);
  return added.defined() ? affine(h, Wh, added) : matmul(h, Wh);
}

}  // namespace unroll::nn
