#pragma once

#include <cmath>
#include <type_traits>

// The functions of pointwise functions on plain numbers, so that the same lambda runs on packets,
// on partials and on a double. Those of <cmath> are joined by using-declarations, never wrapped, so
// that `using namespace unroll;` leaves tanh(1.0) unambiguous.
namespace unroll {

using std::abs;
using std::cos;
using std::erf;
using std::exp;
using std::expm1;
using std::log;
using std::log1p;
using std::pow;
using std::sin;
using std::sqrt;
using std::tanh;

namespace detail {

template <class X>
concept Number = std::is_arithmetic_v<X>;

// float stays float, an integer becomes double, as in <cmath>.
template <class... X>
using Real = std::common_type_t<std::conditional_t<std::is_integral_v<X>, double, X>...>;

}  // namespace detail

template <detail::Number X>
detail::Real<X> sigmoid(X x) {
  const detail::Real<X> v = static_cast<detail::Real<X>>(x), e = std::exp(-std::abs(v));
  return (v < 0 ? e : 1) / (1 + e);
}

// log(1 + e^x).
template <detail::Number X>
detail::Real<X> softplus(X x) {
  const detail::Real<X> v = static_cast<detail::Real<X>>(x);
  return (v > 0 ? v : 0) + std::log1p(std::exp(-std::abs(v)));
}

template <detail::Number X>
constexpr X square(X x) {
  return x * x;
}

// 1, -1, or x itself where it is a zero or NaN.
template <detail::Number X>
constexpr X sign(X x) {
  return x > 0 ? X(1) : x < 0 ? X(-1) : x;
}

// NaN in either is the result; of equals the first.
template <detail::Number X, detail::Number Y>
constexpr std::common_type_t<X, Y> maximum(X x, Y y) {
  using R = std::common_type_t<X, Y>;
  const R a = static_cast<R>(x), b = static_cast<R>(y);
  return a >= b || a != a ? a : b;
}
template <detail::Number X, detail::Number Y>
constexpr std::common_type_t<X, Y> minimum(X x, Y y) {
  using R = std::common_type_t<X, Y>;
  const R a = static_cast<R>(x), b = static_cast<R>(y);
  return a <= b || a != a ? a : b;
}

template <detail::Number X, detail::Number Y>
constexpr std::common_type_t<X, Y> where(bool condition, X x, Y y) {
  using R = std::common_type_t<X, Y>;
  return condition ? static_cast<R>(x) : static_cast<R>(y);
}

// c0 + c1 x + c2 x^2 + ..., lowest power first, for numbers, packets and partials. In a pointwise
// function a variable cannot be assigned to again (s = s * x + c), since the type of a value tells
// which inputs it depends on; horner and sum_of stand in for such loops.
template <class X, class C, class... More>
constexpr auto horner([[maybe_unused]] const X& x, const C& c, const More&... more) {
  if constexpr (sizeof...(More) == 0)
    return c;
  else
    return c + x * horner(x, more...);
}

// a + b + ..., from the left.
template <class A, class... More>
constexpr auto sum_of(const A& a, const More&... more) {
  return (a + ... + more);
}

}  // namespace unroll
