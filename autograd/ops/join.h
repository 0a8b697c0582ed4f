#pragma once

#include <unroll/autograd/tensor.h>

#include <initializer_list>
#include <span>

namespace unroll {

// Tensors one after another along an axis; all other extents equal. concat({a, b}, -1).
Tensor concat(std::span<const Tensor> parts, Index axis);
Tensor concat(std::initializer_list<Tensor> parts, Index axis);

// Tensors of one shape along a new axis. stack(outputs, 0) makes [T, B, F] of T tensors [B, F].
Tensor stack(std::span<const Tensor> parts, Index axis);
Tensor stack(std::initializer_list<Tensor> parts, Index axis);

}  // namespace unroll
