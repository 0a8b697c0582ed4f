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

namespace detail {
Tensor range(Index from, Index to, Index step, DType dtype);
Tensor range(double from, double to, double step, DType dtype);
}  // namespace detail

// [0, 1, …, count - 1].
Tensor arange(Index count, DType dtype = i64);
// from, from + step, … below `to`, or above it where step < 0. Whole numbers are i64, unless
// another dtype is said; others are f32. Throws where the step is 0 or leads away from the end.
template <class From, class To, class Step>
requires(std::is_arithmetic_v<From>&& std::is_arithmetic_v<To>&& std::is_arithmetic_v<Step>) Tensor
    arange(From from, To to, Step step,
           DType dtype = std::integral<From> && std::integral<To> && std::integral<Step> ? i64
                                                                                         : f32) {
  using Number = std::conditional_t<std::integral<From> && std::integral<To> && std::integral<Step>,
                                    Index, double>;
  return detail::range(static_cast<Number>(from), static_cast<Number>(to),
                       static_cast<Number>(step), dtype);
}
template <class From, class To>
requires(std::is_arithmetic_v<From>&& std::is_arithmetic_v<To>) Tensor
    arange(From from, To to, DType dtype = std::integral<From> && std::integral<To> ? i64 : f32) {
  return arange(from, to, Index{1}, dtype);
}
// `count` numbers at equal distances, the first is `from` and the last is `to`; of one number:
// from.
Tensor linspace(double from, double to, Index count, DType dtype = f32);
// The unit matrix [n, n]; or [rows, columns] with 1 on the diagonal.
Tensor eye(Index n, DType dtype = f32);
Tensor eye(Index rows, Index columns, DType dtype = f32);

// Random tensors draw from `rng`, without one from default_rng(). One call takes one stream, and
// element i depends on that stream and i alone: not on threads, and not on the shape.

// Evenly spread over [low, high).
Tensor uniform(const Shape& shape, double low, double high, DType dtype = f32);
Tensor uniform(const Shape& shape, double low, double high, Rng& rng, DType dtype = f32);
// Normally distributed.
Tensor normal(const Shape& shape, double mean, double deviation, DType dtype = f32);
Tensor normal(const Shape& shape, double mean, double deviation, Rng& rng, DType dtype = f32);
// 1 with the given probability, else 0.
Tensor bernoulli(const Shape& shape, double probability, DType dtype = f32);
Tensor bernoulli(const Shape& shape, double probability, Rng& rng, DType dtype = f32);
// -log(-log u): the largest of x + gumbel is at k with probability softmax(x)[k].
Tensor gumbel(const Shape& shape, DType dtype = f32);
Tensor gumbel(const Shape& shape, Rng& rng, DType dtype = f32);

// One of these, [..., classes]. Probabilities need not add up to 1; a logit may be -∞.
struct Categorical {
  Tensor logits = {};
  Tensor probabilities = {};
};
// [...] in i64: a class for each row, drawn with those probabilities. categorical({.logits = x}).
// Throws for a negative probability, NaN, ∞, and where all are 0.
Tensor categorical(const Categorical& of);
Tensor categorical(const Categorical& of, Rng& rng);

// 0 … count - 1 in random order, in i64, all orders equally likely (Fisher and Yates).
Tensor permutation(Index count);
Tensor permutation(Index count, Rng& rng);

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
