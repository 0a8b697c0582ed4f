#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/strided.h>

#include <bit>
#include <cmath>
#include <limits>
#include <sstream>

namespace unroll::detail {

namespace {

// Without a branch in the loop, so that it is compiled to packets: nearly always all are.
template <class T>
bool all_finite_in(const T* p, Index n) {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  constexpr auto exponent = std::bit_cast<Bits>(std::numeric_limits<T>::infinity());
  Bits any = 0;
  for (Index i = 0; i < n; ++i)
    any |= static_cast<Bits>((std::bit_cast<Bits>(p[i]) & exponent) == exponent ? 1 : 0);
  return any == 0;
}

// One by one, in row-major order, but for those that are equal to `passing`.
NonFinite count(const Tensor& x, double passing) {
  NonFinite found;
  const Tensor dense = dense_copy(x);
  visit_floating(x.dtype(), [&]<class T>(T) {
    const T* p = data<T>(dense);
    for (Index i = 0; i < dense.size(); ++i) {
      if (std::isfinite(p[i]) || p[i] == static_cast<T>(passing)) continue;
      if (found.first < 0) found.first = i;
      ++(std::isnan(p[i]) ? found.nan : found.infinite);
    }
  });
  return found;
}

}  // namespace

NonFinite find_non_finite(const Tensor& x) {
  if (!is_floating(x.dtype()) || x.size() == 0) return {};
  Rows rows;
  const bool by_rows = as_rows(extents(x), strides(x), rows);
  const Tensor dense = by_rows ? x : dense_copy(x);
  const bool all = visit_floating(x.dtype(), [&]<class T>(T) {
    const T* p = data<T>(dense);
    bool all_rows = true;
    if (by_rows && !is_dense(x))
      for (Index r = 0; r < rows.rows && all_rows; ++r)
        all_rows = all_finite_in(p + r * rows.stride, rows.columns);
    else
      all_rows = all_finite_in(p, dense.size());
    return all_rows;
  });
  return all ? NonFinite{} : count(dense, 0);
}

NonFinite find_nan_or_above(const Tensor& x) {
  return is_floating(x.dtype()) ? count(x, -std::numeric_limits<double>::infinity()) : NonFinite{};
}

std::string index_text(Index position, const Shape& shape) {
  std::string text;
  for (Index axis = shape.rank() - 1; axis >= 0; --axis) {
    text = std::to_string(position % shape[axis]) + (text.empty() ? "" : ", ") + text;
    position /= shape[axis];
  }
  return "[" + text + "]";
}

std::string describe(const NonFinite& found, const Shape& shape) {
  std::string text;
  if (found.nan > 0) text = std::to_string(found.nan) + " NaN";
  if (found.infinite > 0)
    text += (text.empty() ? "" : " and ") + std::to_string(found.infinite) + " infinite";
  return text + ", first at " + index_text(found.first, shape);
}

void fail_beyond_index(std::string_view operation, double value, const std::string& where) {
  std::ostringstream given;
  given.precision(17);
  given << value << where;
  fail(operation, {.given = given.str(),
                   .needed = "whole numbers of 64 bits, from -2^63 to 2^63 - 1",
                   .hint = {}});
}

}  // namespace unroll::detail
