#include <unroll/autograd/ops/layer_norm.h>
#include <unroll/nn/normalization.h>
#include <unroll/nn/scope.h>

namespace unroll::nn {
namespace {

template <class Options>
Options checked(const char* kind, const char* hint, const Options& o) {
  require_size(kind, "size", o.size, hint);
  if (!(o.epsilon > 0))
    fail_nowhere(
        kind,
        {.given = "epsilon " + std::to_string(o.epsilon), .needed = "epsilon > 0", .hint = {}});
  return o;
}

void check_size(const char* kind, const Tensor& x, Index size) {
  unroll::detail::require_floating(kind, "x", x);
  if (x.rank() < 1 || x.size(-1) != size)
    fail(kind, {.given = "x " + unroll::describe(x),
                .needed = "x [..., " + std::to_string(size) + "]",
                .hint = "options .size is " + std::to_string(size)});
}

}  // namespace

LayerNorm::LayerNorm(Options o)
    : options(checked("layer_norm", "nn::LayerNorm norm({.size = 128})", o)),
      weight(*this, "weight", {o.size}, init::constant(1)) {
  if (options.bias) bias.emplace(*this, "bias", Shape{options.size}, init::zeros());
}

Tensor LayerNorm::operator()(const Tensor& x) const {
  const Scope here(*this);
  check_size("layer_norm", x, options.size);
  return after_forward(
      layer_norm(x, weight, detail::or_undefined(bias), {.epsilon = options.epsilon}));
}

RMSNorm::RMSNorm(Options o)
    : options(checked("rms_norm", "nn::RMSNorm norm({.size = 128})", o)),
      weight(*this, "weight", {o.size}, init::constant(1)) {}

Tensor RMSNorm::operator()(const Tensor& x) const {
  const Scope here(*this);
  check_size("rms_norm", x, options.size);
  return after_forward(rms_norm(x, weight, {.epsilon = options.epsilon}));
}

}  // namespace unroll::nn
