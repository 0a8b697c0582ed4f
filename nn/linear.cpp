#include <unroll/autograd/ops/matmul.h>
#include <unroll/nn/linear.h>
#include <unroll/nn/scope.h>

namespace unroll::nn {
namespace {

Linear::Options checked(Linear::Options o) {
  constexpr const char* hint = "nn::Linear head({.input = 128, .output = 65})";
  require_size("linear", "input", o.input, hint);
  require_size("linear", "output", o.output, hint);
  return o;
}

}  // namespace

Linear::Linear(Options o)
    : options(checked(std::move(o))), W(*this, "W", {options.input, options.output}, options.init) {
  if (options.bias) b.emplace(*this, "b", Shape{options.output}, init::zeros());
}

Tensor Linear::operator()(const Tensor& x) const {
  const Scope here(*this);
  return b ? affine(x, W, *b) : matmul(x, W);
}

}  // namespace unroll::nn
