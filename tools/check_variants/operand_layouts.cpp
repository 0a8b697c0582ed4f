#include "check_variants/operand_layouts.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace unroll::checks {
namespace {

constexpr double away = 0.05;

Tensor padding(const Tensor& x, Index axis, Index extent) {
  const Shape shape = x.shape().with(axis, extent);
  if (x.dtype() == i64)
    return from(std::vector<Index>(static_cast<std::size_t>(shape.size()), 0), shape);
  return full(shape, 0.7, x.dtype());
}

Tensor spaced(const CheckInput& input, Index count, Rng& rng) {
  std::vector<double> all(static_cast<std::size_t>(count));
  for (Index i = 0; i < count; ++i)
    all[static_cast<std::size_t>(i)] = input.low + (input.high - input.low) *
                                                       (static_cast<double>(i) + 0.5) /
                                                       static_cast<double>(count);
  for (Index i = count; i-- > 1;)
    std::swap(all[static_cast<std::size_t>(i)], all[static_cast<std::size_t>(rng.below(i + 1))]);
  return from(std::span<const double>(all), {count});
}

}  // namespace

std::string name_of(Layout layout) {
  constexpr std::array names{"dense",    "computed",      "transposed",      "stepped",
                             "columns",  "rows",          "picked",          "picked last",
                             "reshaped", "repeated rows", "repeated columns"};
  return names[static_cast<std::size_t>(layout)];
}

Laid lay_out(const Tensor& x, Layout layout) {
  const bool has_axes = x.rank() > 0;
  switch (layout) {
    case Layout::dense:
      return {.base = x};
    case Layout::computed:
      if (!is_floating(x.dtype())) return {};
      return {.base = x * 0.5, .unwrap = [](const Tensor& b) { return b * 2.0; }};
    case Layout::transposed:
      if (x.rank() < 2) return {};
      return {.base = contiguous(transpose(x, 0, -1)),
              .unwrap = [](const Tensor& b) { return transpose(b, 0, -1); }};
    case Layout::stepped: {
      if (!has_axes || x.rank() == Shape::max_rank) return {};
      const Tensor pairs = stack({x.dtype() == i64 ? x : x * 0.9, x}, x.rank());
      return {.base = reshape(pairs, x.shape().with(-1, 2 * x.size(-1))),
              .unwrap = [](const Tensor& b) {
                return slice(b, {.axis = -1, .from = b.size(-1) == 0 ? 0 : 1, .step = 2});
              }};
    }
    case Layout::columns:
      if (!has_axes) return {};
      return {
          .base = concat({padding(x, -1, 2), x, padding(x, -1, 1)}, -1),
          .unwrap = [](const Tensor& b) { return slice(b, {.axis = -1, .from = 2, .to = -1}); }};
    case Layout::rows:
      if (!has_axes) return {};
      return {.base = concat({padding(x, 0, 1), x, padding(x, 0, 2)}, 0),
              .unwrap = [](const Tensor& b) { return slice(b, {.axis = 0, .from = 1, .to = -2}); }};
    case Layout::picked:
      return {.base = stack({x, x, x}, 0),
              .unwrap = [](const Tensor& b) { return select(b, 0, 1); }};
    case Layout::picked_last:
      return {.base = stack({x, x, x}, x.rank()),
              .unwrap = [](const Tensor& b) { return select(b, -1, -1); }};
    case Layout::reshaped:
      return {.base = reshape(x, {x.size()}),
              .unwrap = [shape = x.shape()](const Tensor& b) { return reshape(b, shape); }};
    case Layout::repeated_rows:
    case Layout::repeated_columns: {
      const Index axis = layout == Layout::repeated_rows ? 0 : x.rank() - 1;
      if (!has_axes || x.size(axis) < 2 || (layout == Layout::repeated_columns && axis == 0))
        return {};
      return {.base = contiguous(slice(x, {.axis = axis, .to = 1})),
              .unwrap = [shape = x.shape()](const Tensor& b) { return expand(b, shape); }};
    }
  }
  return {};
}

Tensor draw(const CheckInput& input, const Shape& shape, Rng& rng) {
  const auto count = static_cast<std::size_t>(shape.size());
  if (input.ids > 0) {
    std::vector<Index> ids(count);
    for (Index& id : ids) id = rng.below(input.ids);
    return from(std::span<const Index>(ids), shape);
  }
  if (input.spaced) return reshape(spaced(input, shape.size(), rng), shape);
  std::vector<double> all(count);
  for (double& value : all) {
    const auto is_near = [&](double kink) { return std::abs(value - kink) < away; };
    do {
      value = input.low + (input.high - input.low) * rng.uniform();
    } while (std::any_of(input.avoid.begin(), input.avoid.end(), is_near));
  }
  return from(std::span<const double>(all), shape);
}

Tensor in_pieces(const Tensor& y) {
  if (y.rank() == 0) return stack({y, y * y}, 0);
  const Index n = y.size(-1);
  const Tensor left = slice(y, {.axis = -1, .from = 0, .to = (n + 1) / 2});
  const Tensor right = slice(y, {.axis = -1, .from = n / 2});
  return concat(
      {right, left * left, transpose(y, 0, -1).shape() == y.shape() ? transpose(y, 0, -1) : y}, -1);
}

}  // namespace unroll::checks
