#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/parallel.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace unroll {
namespace {

constexpr Index task_elements = 16384;

// Element i of a new tensor is value(i); any thread may make any part.
template <class Value>
Tensor generate(const Shape& shape, DType dtype, const Value& value) {
  Tensor t = detail::empty(shape, dtype);
  visit(dtype, [&]<class T>(T) {
    T* to = detail::data<T>(t);
    detail::parallel_for(t.size(), task_elements, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) to[i] = static_cast<T>(value(i));
    });
  });
  return t;
}

// The stream of one bulk draw.
Rng take_stream(Rng& rng) {
  Rng stream = rng;
  ++rng.counter;
  return stream;
}

double unit(const Rng& stream, Index i) {
  return detail::to_unit(detail::random_bits(stream, static_cast<std::uint64_t>(i)));
}

void require_floating_dtype(std::string_view operation, DType dtype) {
  if (!is_floating(dtype))
    fail(operation,
         {.given = "dtype " + std::string(name_of(dtype)), .needed = "f32 or f64", .hint = {}});
}

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
  Tensor t = detail::empty(shape, dtype);
  detail::fill_elements(t, value);
  return t;
}

Tensor zeros(const Shape& shape, DType dtype) { return full(shape, 0, dtype); }
Tensor ones(const Shape& shape, DType dtype) { return full(shape, 1, dtype); }
Tensor zeros_like(const Tensor& x) { return zeros(x.shape(), x.dtype()); }
Tensor zeros_like(const Tensor& x, const Shape& shape) { return zeros(shape, x.dtype()); }
Tensor ones_like(const Tensor& x) { return ones(x.shape(), x.dtype()); }

Tensor arange(Index count) {
  return generate({count}, i64, [](Index i) { return i; });
}

Tensor eye(Index n, DType dtype) {
  return generate({n, n}, dtype, [n](Index i) { return i / n == i % n ? 1.0 : 0.0; });
}

Tensor uniform(const Shape& shape, double low, double high, DType dtype) {
  return uniform(shape, low, high, default_rng(), dtype);
}

Tensor uniform(const Shape& shape, double low, double high, Rng& rng, DType dtype) {
  require_floating_dtype("uniform", dtype);
  if (!(low <= high) || !std::isfinite(low) || !std::isfinite(high))
    fail("uniform", {.given = "low " + std::to_string(low) + " and high " + std::to_string(high),
                     .needed = "finite low <= high",
                     .hint = {}});
  const Rng stream = take_stream(rng);
  const bool single = dtype == f32;
  return generate(shape, dtype, [=](Index i) {
    const double v = low + (high - low) * unit(stream, i);
    // Rounding to f32 may reach the excluded end.
    return single && static_cast<float>(v) >= static_cast<float>(high) && low < high
               ? static_cast<double>(
                     std::nextafter(static_cast<float>(high), static_cast<float>(low)))
               : v;
  });
}

Tensor normal(const Shape& shape, double mean, double deviation, DType dtype) {
  return normal(shape, mean, deviation, default_rng(), dtype);
}

Tensor normal(const Shape& shape, double mean, double deviation, Rng& rng, DType dtype) {
  require_floating_dtype("normal", dtype);
  if (!(deviation >= 0))
    fail("normal",
         {.given = "deviation " + std::to_string(deviation), .needed = "0 or more", .hint = {}});
  const Rng stream = take_stream(rng);
  // Box and Muller: one element from two numbers of its own.
  return generate(shape, dtype, [=](Index i) {
    const double u = 1.0 - unit(stream, 2 * i);
    const double v = unit(stream, 2 * i + 1);
    return mean + deviation * std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
  });
}

Tensor bernoulli(const Shape& shape, double probability, DType dtype) {
  return bernoulli(shape, probability, default_rng(), dtype);
}

Tensor bernoulli(const Shape& shape, double probability, Rng& rng, DType dtype) {
  if (!(probability >= 0 && probability <= 1))
    fail("bernoulli",
         {.given = "probability " + std::to_string(probability), .needed = "0 … 1", .hint = {}});
  const Rng stream = take_stream(rng);
  return generate(shape, dtype, [=](Index i) { return unit(stream, i) < probability ? 1.0 : 0.0; });
}

Tensor from(std::span<const float> values, const Shape& shape) { return copy_of(values, shape); }
Tensor from(std::span<const double> values, const Shape& shape) { return copy_of(values, shape); }
Tensor from(std::span<const Index> values, const Shape& shape) { return copy_of(values, shape); }

namespace detail {

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
