#pragma once

#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/matmul.h>
#include <unroll/nn/module.h>

#include <optional>
#include <string>

// What the library's cells share: sizes, and none, one or two biases.
namespace unroll::nn {

template <class Options>
Options checked_cell(const char* kind, const char* hint, const Options& o) {
  require_size(kind, "input", o.input, hint);
  require_size(kind, "hidden", o.hidden, hint);
  if (o.biases < 0 || o.biases > 2)
    fail_nowhere(
        kind,
        {.given = "biases is " + std::to_string(o.biases), .needed = "0, 1 or 2", .hint = {}});
  return o;
}

inline void add_biases(Module& cell, Index count, Index size, const init::Init& first,
                       std::optional<Parameter>& b, std::optional<Parameter>& b_recurrent) {
  if (count >= 1) b.emplace(cell, "b", Shape{size}, first);
  if (count == 2) b_recurrent.emplace(cell, "b_recurrent", Shape{size}, init::zeros());
}

// x·Wx + b, with the second bias where there is one.
inline Tensor project_with_biases(const Tensor& x, const Parameter& Wx,
                                  const std::optional<Parameter>& b,
                                  const std::optional<Parameter>& b_recurrent) {
  if (!b) return matmul(x, Wx);
  if (!b_recurrent) return affine(x, Wx, *b);
  return affine(x, Wx, *b + *b_recurrent);
}

}  // namespace unroll::nn
