#pragma once

#include <unroll/autograd/simd/partial.h>

// The functions of pointwise functions on partials: value and derivative, which is written with
// such functions again.
namespace unroll::simd {

// As in partial.h.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)
#endif

// A constant: its derivative is 0 wherever there is one.
template <detail::AnyPartial A>
auto sign(const A& a) {
  return sign(detail::innermost(a));
}
// The derivative is 0 at 0, and NaN at NaN.
template <detail::AnyPartial A>
auto abs(const A& a) {
  return detail::chain(a, abs(a.v), sign(detail::innermost(a)));
}
// The derivative at 0 is infinite.
template <detail::AnyPartial A>
auto sqrt(const A& a) {
  const auto y = sqrt(a.v);
  return detail::chain(a, y, 0.5 / y);
}
template <detail::AnyPartial A>
auto square(const A& a) {
  return detail::chain(a, square(a.v), 2.0 * a.v);
}
template <detail::AnyPartial A>
auto exp(const A& a) {
  const auto y = exp(a.v);
  return detail::chain(a, y, y);
}
template <detail::AnyPartial A>
auto expm1(const A& a) {
  return detail::chain(a, expm1(a.v), exp(a.v));
}
template <detail::AnyPartial A>
auto log(const A& a) {
  return detail::chain(a, log(a.v), 1.0 / a.v);
}
template <detail::AnyPartial A>
auto log1p(const A& a) {
  return detail::chain(a, log1p(a.v), 1.0 / (1.0 + a.v));
}
template <detail::AnyPartial A>
auto tanh(const A& a) {
  const auto y = tanh(a.v);
  return detail::chain(a, y, 1.0 - y * y);
}
template <detail::AnyPartial A>
auto sigmoid(const A& a) {
  const auto y = sigmoid(a.v);
  return detail::chain(a, y, y * (1.0 - y));
}
template <detail::AnyPartial A>
auto softplus(const A& a) {
  return detail::chain(a, softplus(a.v), sigmoid(a.v));
}
template <detail::AnyPartial A>
auto erf(const A& a) {
  constexpr double two_over_root_pi = 1.12837916709551257390;
  return detail::chain(a, erf(a.v), two_over_root_pi * exp(-(a.v * a.v)));
}
template <detail::AnyPartial A>
auto sin(const A& a) {
  return detail::chain(a, sin(a.v), cos(a.v));
}
template <detail::AnyPartial A>
auto cos(const A& a) {
  return detail::chain(a, cos(a.v), -sin(a.v));
}

namespace detail {
template <class X, class Y>
auto power_by_base(const X& x, const Y& y) {
  return where(y == 0.0, 0.0, y * pow(x, y - 1.0));
}
template <class X, class Y, class V>
auto power_by_exponent(const X& x, const Y& y, const V& v) {
  return where(both(x == 0.0, y >= 0.0), 0.0, v * log(x));
}
}  // namespace detail

// The derivative with respect to a is 0 where b is 0, also at a = 0; that with respect to b is 0
// where a is 0 and b at least 0, and NaN for negative a.
template <class A, class B>
requires detail::WithPartial<A, B>
auto pow(const A& a, const B& b) {
  const auto& x = detail::factor(detail::value(a));
  const auto& y = detail::factor(detail::value(b));
  const auto v = pow(x, y);
  if constexpr (!detail::is_partial<B>)
    return detail::chain(a, v, detail::power_by_base(x, y));
  else if constexpr (!detail::is_partial<A>)
    return detail::chain(b, v, detail::power_by_exponent(x, y, v));
  else
    return detail::chain(a, b, v, detail::power_by_base(x, y), detail::power_by_exponent(x, y, v));
}

#if defined(__clang__)
#pragma clang attribute pop
#endif

}  // namespace unroll::simd
