#include <unroll/autograd/ops/matmul.h>
#include <unroll/autograd/ops/views.h>
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
  return after_forward(b ? affine(x, W, *b) : matmul(x, W));
}

TiedLinear::TiedLinear(Options o) : options(o) {
  if (o.W == nullptr || o.W->rank() != 2)
    fail_nowhere("tied_linear",
                 {.given = o.W == nullptr ? std::string("no W") : "W " + unroll::describe(*o.W),
                  .needed = "a parameter [output, input]",
                  .hint = "nn::TiedLinear head({.W = &embed.W})"});
  if (o.bias) b.emplace(*this, "b", Shape{o.W->size(0)}, init::zeros());
}

Tensor TiedLinear::operator()(const Tensor& x) const {
  const Scope here(*this);
  const Tensor W = transpose(*options.W, 0, 1);
  return after_forward(b ? affine(x, W, *b) : matmul(x, W));
}

}  // namespace unroll::nn
