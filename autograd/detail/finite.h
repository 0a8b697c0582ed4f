#pragma once

#include <unroll/autograd/tensor.h>

#include <string_view>

namespace unroll::detail {

// The elements of a tensor that are not finite.
struct NonFinite {
  Index nan = 0;
  Index infinite = 0;
  Index first = -1;  // position in row-major order; -1: all are finite
};
NonFinite find_non_finite(const Tensor& x);
// The same where -inf is meant.
NonFinite find_nan_or_above(const Tensor& x);
inline bool all_finite(const Tensor& x) { return find_non_finite(x).first < 0; }

// "3 NaN, first at [0, 17]"
std::string describe(const NonFinite& found, const Shape& shape);
// "[0, 17]"
std::string index_text(Index position, const Shape& shape);

// Whether a number is an Index once its fraction is cut off; NaN is not.
constexpr bool fits_index(double value) { return value >= -0x1p63 && value < 0x1p63; }
// `where` is empty or " at [0, 17]".
[[noreturn]] void fail_beyond_index(std::string_view operation, double value,
                                    const std::string& where);

}  // namespace unroll::detail
