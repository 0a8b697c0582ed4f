#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/generate.h>
#include <unroll/autograd/detail/strided.h>

#include <algorithm>
#include <cmath>

namespace unroll {
namespace {

using detail::generate;
using detail::require_floating_dtype;

template <class T>
Tensor copy_of(std::span<const T> values, const Shape& shape) {
  if (std::ssize(values) != shape.size())
    fail("from", {.given = std::to_string(values.size()) + " values for shape " + to_string(shape),
                  .needed = std::to_string(shape.size()) + " values",
                  .hint = {}});
  Tensor t = detail::empty(shape, dtype_of<T>);
  std::copy(values.begin(), values.end(), detail::data<T>(t));
  return t;
}

}  // namespace

Tensor full(const Shape& shape, double value, DType dtype) {
  if (dtype == i64 && !detail::fits_index(value)) detail::fail_beyond_index("full", value, "");
  Tensor t = detail::empty(shape, dtype);
  detail::fill_elements(t, value);
  return t;
}

Tensor zeros(const Shape& shape, DType dtype) { return full(shape, 0, dtype); }
Tensor ones(const Shape& shape, DType dtype) { return full(shape, 1, dtype); }
Tensor zeros_like(const Tensor& x) { return zeros(x.shape(), x.dtype()); }
Tensor zeros_like(const Tensor& x, const Shape& shape) { return zeros(shape, x.dtype()); }
Tensor ones_like(const Tensor& x) { return ones(x.shape(), x.dtype()); }

Tensor arange(Index count, DType dtype) {
  if (count < 0)
    fail("arange", {.given = "count " + std::to_string(count),
                    .needed = "0 or more",
                    .hint = "arange(from, to, -1) counts down"});
  return generate({count}, dtype, [](Index i) { return i; });
}

Tensor linspace(double from, double to, Index count, DType dtype) {
  require_floating_dtype("linspace", dtype);
  if (count < 0 || !std::isfinite(from) || !std::isfinite(to))
    fail("linspace", {.given = std::to_string(count) + " numbers from " + std::to_string(from) +
                               " to " + std::to_string(to),
                      .needed = "0 or more, between finite ends",
                      .hint = {}});
  const double step = count > 1 ? (to - from) / static_cast<double>(count - 1) : 0;
  // From either end, so that both are met exactly.
  return generate({count}, dtype, [=](Index i) {
    return i < (count + 1) / 2 ? from + static_cast<double>(i) * step
                               : to - static_cast<double>(count - 1 - i) * step;
  });
}

Tensor eye(Index n, DType dtype) { return eye(n, n, dtype); }

Tensor eye(Index rows, Index columns, DType dtype) {
  return generate({rows, columns}, dtype,
                  [columns](Index i) { return i / columns == i % columns ? 1.0 : 0.0; });
}

Tensor from(std::span<const float> values, const Shape& shape) { return copy_of(values, shape); }
Tensor from(std::span<const double> values, const Shape& shape) { return copy_of(values, shape); }
Tensor from(std::span<const Index> values, const Shape& shape) { return copy_of(values, shape); }

namespace detail {

Tensor range(Index from, Index to, Index step, DType dtype) {
  // Unsigned, since the way from the lowest number to the highest is longer than an Index.
  const auto way = step > 0 ? static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from)
                            : static_cast<std::uint64_t>(from) - static_cast<std::uint64_t>(to);
  const auto length = step > 0 ? static_cast<std::uint64_t>(step)
                               : std::uint64_t{0} - static_cast<std::uint64_t>(step);
  if (step == 0 || (step > 0 ? to < from : to > from))
    fail("arange", {.given = "from " + std::to_string(from) + " to " + std::to_string(to) +
                             " step " + std::to_string(step),
                    .needed = "a step towards the end",
                    .hint = {}});
  const auto count = static_cast<Index>(way / length + (way % length != 0 ? 1 : 0));
  return generate({count}, dtype, [=](Index i) {
    return static_cast<Index>(static_cast<std::uint64_t>(from) +
                              static_cast<std::uint64_t>(i) * static_cast<std::uint64_t>(step));
  });
}

Tensor range(double from, double to, double step, DType dtype) {
  require_floating_dtype("arange", dtype);
  const double count = std::ceil((to - from) / step);
  if (!(count >= 0 && count < 0x1p62) || step == 0 || !std::isfinite(step))
    fail("arange", {.given = "from " + std::to_string(from) + " to " + std::to_string(to) +
                             " step " + std::to_string(step),
                    .needed = "a step towards the end",
                    .hint = {}});
  return generate({static_cast<Index>(count)}, dtype,
                  [=](Index i) { return from + static_cast<double>(i) * step; });
}

void require_floating_dtype(std::string_view operation, DType dtype) {
  if (!is_floating(dtype))
    fail(operation,
         {.given = "dtype " + std::string(name_of(dtype)), .needed = "f32 or f64", .hint = {}});
}

Tensor from_numbers(std::span<const double> values, const Shape& shape, DType dtype) {
  require_floating_dtype("tensor", dtype);
  return generate(shape, dtype, [&](Index i) { return values[static_cast<std::size_t>(i)]; });
}

Tensor from_numbers(std::span<const Index> values, const Shape& shape, DType dtype) {
  return generate(shape, dtype, [&](Index i) { return values[static_cast<std::size_t>(i)]; });
}

void fail_ragged() {
  fail("tensor", {.given = "rows of unequal length", .needed = "rows of one length", .hint = {}});
}

}  // namespace detail
}  // namespace unroll
