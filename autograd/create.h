#pragma once

#include <unroll/autograd/rng.h>
#include <unroll/autograd/tensor.h>

#include <concepts>
#include <initializer_list>
#include <span>
#include <type_traits>
#include <vector>

// Tensors are made by name. Values are f32 unless another dtype is said; whole numbers in a list
// are i64, and data that has a type keeps it.
namespace unroll {

Tensor zeros(const Shape& shape, DType dtype = f32);
Tensor ones(const Shape& shape, DType dtype = f32);
Tensor full(const Shape& shape, double value, DType dtype = f32);
Tensor zeros_like(const Tensor& x);
Tensor zeros_like(const Tensor& x, const Shape& shape);  // dtype of x
Tensor ones_like(const Tensor& x);

// [0, 1, …, count - 1] in i64.
Tensor arange(Index count);
// The unit matrix [n, n].
Tensor eye(Index n, DType dtype = f32);

// Evenly spread over [low, high). Draws from `rng`, without one from default_rng().
Tensor uniform(const Shape& shape, double low, double high, DType dtype = f32);
Tensor uniform(const Shape& shape, double low, double high, Rng& rng, DType dtype = f32);
// Normally distributed.
Tensor normal(const Shape& shape, double mean, double deviation, DType dtype = f32);
Tensor normal(const Shape& shape, double mean, double deviation, Rng& rng, DType dtype = f32);
// 1 with the given probability, else 0.
Tensor bernoulli(const Shape& shape, double probability, DType dtype = f32);
Tensor bernoulli(const Shape& shape, double probability, Rng& rng, DType dtype = f32);

// A copy of the elements in row-major order. Throws where their number is not that of the shape.
Tensor from(std::span<const float> values, const Shape& shape);
Tensor from(std::span<const double> values, const Shape& shape);
Tensor from(std::span<const Index> values, const Shape& shape);

namespace detail {
Tensor from_numbers(std::span<const double> values, const Shape& shape, DType dtype);
Tensor from_numbers(std::span<const Index> values, const Shape& shape, DType dtype);
[[noreturn]] void fail_ragged();

template <class T>
using Listed = std::conditional_t<std::integral<T>, Index, double>;
template <class T>
inline constexpr DType listed_dtype = std::integral<T> ? i64 : f32;

template <class T>
void append(std::vector<Listed<T>>& to, std::initializer_list<T> row, Index length) {
  if (std::ssize(row) != length) fail_ragged();
  for (const T value : row) to.push_back(static_cast<Listed<T>>(value));
}
}  // namespace detail

// The values in a list, nested up to twice: tensor({1.0, 2.0}) is f32 [2], tensor({{1, 2}, {3, 4}})
// is i64 [2, 2]. Throws where rows are of unequal length.
template <class T>
requires std::is_arithmetic_v<T> Tensor tensor(std::initializer_list<T> values,
                                               DType dtype = detail::listed_dtype<T>) {
  std::vector<detail::Listed<T>> all;
  detail::append(all, values, std::ssize(values));
  return detail::from_numbers(all, {std::ssize(values)}, dtype);
}
template <class T>
requires std::is_arithmetic_v<T> Tensor tensor(std::initializer_list<std::initializer_list<T>> rows,
                                               DType dtype = detail::listed_dtype<T>) {
  const Index columns = rows.size() == 0 ? 0 : std::ssize(*rows.begin());
  std::vector<detail::Listed<T>> all;
  for (const auto& row : rows) detail::append(all, row, columns);
  return detail::from_numbers(all, {std::ssize(rows), columns}, dtype);
}
template <class T>
requires std::is_arithmetic_v<T> Tensor
tensor(std::initializer_list<std::initializer_list<std::initializer_list<T>>> blocks,
       DType dtype = detail::listed_dtype<T>) {
  const Index rows = blocks.size() == 0 ? 0 : std::ssize(*blocks.begin());
  const Index columns = rows == 0 ? 0 : std::ssize(*blocks.begin()->begin());
  std::vector<detail::Listed<T>> all;
  for (const auto& block : blocks) {
    if (std::ssize(block) != rows) detail::fail_ragged();
    for (const auto& row : block) detail::append(all, row, columns);
  }
  return detail::from_numbers(all, {std::ssize(blocks), rows, columns}, dtype);
}

}  // namespace unroll
