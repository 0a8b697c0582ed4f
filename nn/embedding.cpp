#include <unroll/autograd/create.h>
#include <unroll/autograd/ops/embedding.h>
#include <unroll/autograd/ops/join.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/nn/embedding.h>
#include <unroll/nn/scope.h>

namespace unroll::nn {
namespace {

Embedding::Options checked(Embedding::Options o) {
  constexpr const char* hint = "nn::Embedding embed({.count = 65, .size = 128})";
  require_size("embedding", "count", o.count, hint);
  require_size("embedding", "size", o.size, hint);
  if (o.padding && (*o.padding < 0 || *o.padding >= o.count))
    fail("embedding", {.given = "padding " + std::to_string(*o.padding) + " of " +
                                std::to_string(o.count) + " rows",
                       .needed = "0 … " + std::to_string(o.count - 1),
                       .hint = {}});
  return o;
}

// Drawn whole, so that the other rows are what they are without padding.
init::Init with_padding(const Embedding::Options& o) {
  if (!o.padding) return o.init;
  return [&o](const Shape& shape, DType dtype, Rng& rng) {
    const Tensor rows = o.init(shape, dtype, rng);
    return concat({slice(rows, {.to = *o.padding}), zeros({1, o.size}, dtype),
                   slice(rows, {.from = *o.padding + 1})},
                  0);
  };
}

}  // namespace

Embedding::Embedding(Options o)
    : options(checked(std::move(o))),
      W(*this, "W", {options.count, options.size}, with_padding(options)) {}

Tensor Embedding::operator()(const Tensor& ids) const {
  const Scope here(*this);
  return after_forward(embedding(W, ids, {.padding = options.padding}));
}

}  // namespace unroll::nn
