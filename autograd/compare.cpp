#include <unroll/autograd/compare.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/strided.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <ostream>
#include <sstream>

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
      const auto p = static_cast<double>(detail::data<T>(x)[i]);
      const auto q = static_cast<double>(detail::data<T>(y)[i]);
      if (p == q) continue;
      const double scale = std::max(std::abs(p), std::abs(q));
      const double allowed = options.absolute + options.relative * scale;
      const double difference = std::abs(p - q);
      if (difference <= allowed && std::isfinite(p) && std::isfinite(q)) continue;
      ++bad;
      const double ratio =
          std::isfinite(difference) ? difference / std::max(scale, 1e-300) : HUGE_VAL;
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
