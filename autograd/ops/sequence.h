#pragma once

#include <unroll/autograd/tensor.h>

#include <initializer_list>
#include <span>

// Sequences of unequal length in one time-major tensor x [T, B, …]: row b ends after lengths[b]
// steps, 0 … T; what lies behind is padding. Lengths are host data, one for each row.
namespace unroll {

// [B, T]: 1 at the steps that count, else 0. Throws for a length outside 0 … T.
Tensor sequence_mask(std::span<const Index> lengths, Index steps, DType dtype = f32);
Tensor sequence_mask(std::initializer_list<Index> lengths, Index steps, DType dtype = f32);

// x [T, B, …] → [B, …]: the last step of each row that counts, 0 where there is none. The gradient
// goes there alone: padding gets exactly 0.
Tensor last_by_length(const Tensor& x, std::span<const Index> lengths);
Tensor last_by_length(const Tensor& x, std::initializer_list<Index> lengths);

// Each row turned around within its length: y[t, b] = x[lengths[b] - 1 - t, b]. Padding stays where
// it is. Its own inverse.
Tensor flip_by_length(const Tensor& x, std::span<const Index> lengths);
Tensor flip_by_length(const Tensor& x, std::initializer_list<Index> lengths);

}  // namespace unroll
