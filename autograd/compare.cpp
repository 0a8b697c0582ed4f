#include <unroll/autograd/compare.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/strided.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <ostream>
#include <sstream>
#include <type_traits>

namespace unroll {
namespace {

// Empty where both can be compared.
std::string differing_kind(const Tensor& a, const Tensor& b) {
  if (a.defined() && b.defined() && a.dtype() == b.dtype() && a.shape() == b.shape()) return {};
  return describe(a) + " and " + describe(b) + " differ in kind";
}

template <class T>
std::string element(Index at, const Shape& shape, T a, T b) {
  std::ostringstream out;
  out.precision(17);
  out << detail::index_text(at, shape) << ": " << a << " and " << b;
  return out.str();
}

struct Difference {
  bool close;
  double size;
};

// Of numbers that are not equal. Whole numbers beyond 2⁵³ are not doubles: their difference is
// taken before it becomes one.
template <class T>
Difference compare(T p, T q, double allowed) {
  if constexpr (std::is_same_v<T, Index>) {
    const auto apart =
        static_cast<std::uint64_t>(std::max(p, q)) - static_cast<std::uint64_t>(std::min(p, q));
    const bool close =
        allowed >= 0x1p64 || (allowed >= 1 && apart <= static_cast<std::uint64_t>(allowed));
    return {close, static_cast<double>(apart)};
  } else {
    const double apart = std::abs(static_cast<double>(p) - static_cast<double>(q));
    return {apart <= allowed && std::isfinite(p) && std::isfinite(q), apart};
  }
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const CloseReport& report) {
  return out << report.text();
}

CloseReport all_close(const Tensor& a, const Tensor& b, const CloseOptions& options) {
  if (std::string kind = differing_kind(a, b); !kind.empty()) return {false, kind};
  const Tensor x = detail::dense_copy(a);
  const Tensor y = detail::dense_copy(b);
  Index bad = 0;
  Index worst = -1;
  double excess = 0;
  std::string text;
  visit(a.dtype(), [&]<class T>(T) {
    for (Index i = 0; i < a.size(); ++i) {
      const T p = detail::data<T>(x)[i];
      const T q = detail::data<T>(y)[i];
      if (p == q) continue;
      const double scale =
          std::max(std::abs(static_cast<double>(p)), std::abs(static_cast<double>(q)));
      const Difference apart = compare(p, q, options.absolute + options.relative * scale);
      if (apart.close) continue;
      ++bad;
      const double ratio =
          std::isfinite(apart.size) ? apart.size / std::max(scale, 1e-300) : HUGE_VAL;
      if (worst < 0 || ratio > excess) {
        worst = i;
        excess = ratio;
      }
    }
    if (worst >= 0) {
      std::ostringstream out;
      out << bad << " of " << a.size() << " elements differ, worst at "
          << element(worst, a.shape(), detail::data<T>(x)[worst], detail::data<T>(y)[worst])
          << " (relative " << excess << ", allowed " << options.relative << " and absolute "
          << options.absolute << ")";
      text = out.str();
    }
  });
  return {worst < 0, worst < 0 ? "all " + std::to_string(a.size()) + " elements are close" : text};
}

namespace {

template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

}  // namespace

CloseReport all_equal(const Tensor& a, const Tensor& b) {
  if (std::string kind = differing_kind(a, b); !kind.empty()) return {false, kind};
  const Tensor x = detail::dense_copy(a);
  const Tensor y = detail::dense_copy(b);
  std::string text;
  visit(a.dtype(), [&]<class T>(T) {
    for (Index i = 0; i < a.size() && text.empty(); ++i)
      if (std::bit_cast<Bits<T>>(detail::data<T>(x)[i]) !=
          std::bit_cast<Bits<T>>(detail::data<T>(y)[i]))
        text = "differ first at " +
               element(i, a.shape(), detail::data<T>(x)[i], detail::data<T>(y)[i]);
  });
  return {text.empty(),
          text.empty() ? "all " + std::to_string(a.size()) + " elements are equal" : text};
}

}  // namespace unroll
