#include <unroll/autograd/ops/dropout.h>
#include <unroll/nn/dropout.h>
#include <unroll/nn/scope.h>

namespace unroll::nn {

Dropout::Dropout(Options o) : options(o) {
  if (!(o.rate >= 0 && o.rate < 1))
    fail_nowhere(
        "dropout",
        {.given = "rate " + std::to_string(o.rate), .needed = "0 <= rate < 1", .hint = {}});
}

Tensor Dropout::operator()(const Tensor& x) const {
  const Scope here(*this);
  return is_training() ? dropout(x, options.rate) : x;
}

}  // namespace unroll::nn
