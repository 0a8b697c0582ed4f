#pragma once

#include <unroll/autograd/tensor.h>

#include <concepts>
#include <initializer_list>
#include <span>
#include <string_view>

namespace unroll {

// Sums of products in Einstein's notation: one letter for each axis of each operand, an arrow, the
// letters of the result. What is not in the result is summed over.
//   einsum("bij,bjk->bik", a, b)     products of a batch of matrices
//   einsum("ii", a), einsum("ii->i", a)      trace, diagonal
//   einsum("...i,ij->...j", x, W)    "..." stands for any number of axes, which broadcast
// Without an arrow, the result has the letters that are there once, in the order of the alphabet,
// after "...". One letter has one extent, or 1, which stretches. Operands, f32 or f64, are taken
// together from left to right, by products of matrices where one is summed over. Throws, quoting
// the equation, where it does not fit the operands or itself.
Tensor einsum(std::string_view equation, std::span<const Tensor> operands);
Tensor einsum(std::string_view equation, std::initializer_list<Tensor> operands);
template <class... T>
requires(sizeof...(T) > 0 && (std::derived_from<T, Tensor> && ...)) Tensor
    einsum(std::string_view equation, const T&... operands) {
  return einsum(equation, {Tensor(operands)...});
}

}  // namespace unroll
