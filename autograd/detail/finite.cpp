#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/strided.h>

#include <cmath>
#include <sstream>

namespace unroll::detail {

NonFinite find_non_finite(const Tensor& x) {
  NonFinite found;
  if (!is_floating(x.dtype())) return found;
  const Tensor dense = dense_copy(x);
  visit_floating(x.dtype(), [&]<class T>(T) {
    const T* p = data<T>(dense);
    for (Index i = 0; i < dense.size(); ++i) {
      if (std::isfinite(p[i])) continue;
      if (found.first < 0) found.first = i;
      ++(std::isnan(p[i]) ? found.nan : found.infinite);
    }
  });
  return found;
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

void check_finite(std::string_view operation, std::string_view verb, const Tensor& x) {
  const NonFinite found = find_non_finite(x);
  if (found.first < 0) return;
  fail(operation,
       {.given = std::string(verb) + " " + describe(x) + " with " + describe(found, x.shape()),
        .needed = "finite values",
        .hint = "this is the first operation of the tape where they arise"});
}

}  // namespace unroll::detail
