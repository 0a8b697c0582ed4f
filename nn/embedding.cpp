#include <unroll/autograd/ops/embedding.h>
#include <unroll/nn/embedding.h>
#include <unroll/nn/scope.h>

namespace unroll::nn {
namespace {

Embedding::Options checked(Embedding::Options o) {
  constexpr const char* hint = "nn::Embedding embed({.count = 65, .size = 128})";
  require_size("embedding", "count", o.count, hint);
  require_size("embedding", "size", o.size, hint);
  return o;
}

}  // namespace

Embedding::Embedding(Options o)
    : options(checked(std::move(o))), W(*this, "W", {options.count, options.size}, options.init) {}

Tensor Embedding::operator()(const Tensor& ids) const {
  const Scope here(*this);
  return embedding(W, ids);
}

}  // namespace unroll::nn
