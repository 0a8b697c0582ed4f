#include <unroll/autograd/ops/dropout.h>
#include <unroll/nn/dropout.h>
#include <unroll/nn/recurrent_support.h>
#include <unroll/nn/scope.h>

namespace unroll::nn {

Dropout::Dropout(Options o) : options(o) { detail::require_rate("dropout", "rate", o.rate); }

Tensor Dropout::operator()(const Tensor& x) const {
  const Scope here(*this);
  return after_forward(is_training() ? dropout(x, options.rate) : x);
}

}  // namespace unroll::nn
