#pragma once

#include <unroll/autograd/tensor.h>

#include <optional>

namespace unroll {

struct EmbeddingOptions {
  std::optional<Index> padding = {};  // this row is looked up, but gets no gradient
};

// Rows of a table [count, size] at ids (i64, any shape) → [ids..., size]. The table's gradient is
// kept as rows where only lookups use it. Throws for an id outside 0 … count - 1.
Tensor embedding(const Tensor& table, const Tensor& ids);
Tensor embedding(const Tensor& table, const Tensor& ids, const EmbeddingOptions& options);

}  // namespace unroll
