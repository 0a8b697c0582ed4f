#pragma once

#include <unroll/autograd/simd/gate.h>
#include <unroll/autograd/simd/packet.h>
#include <unroll/autograd/simd/scalar.h>

#include <bit>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

// Forward derivatives that are sparse by type. A Partial is a value and, for each input j whose bit
// is set in Mask, the derivative of the value with respect to input j. Every derivative has a type
// of its own: One for a seed, double for a constant, a packet, a Gate for a choice, or for the
// second order a Partial again. So what is known to be zero, one or constant costs nothing, at any
// depth.
namespace unroll::simd {

using unroll::abs, unroll::cos, unroll::erf, unroll::exp, unroll::expm1, unroll::horner,
    unroll::log, unroll::log1p, unroll::maximum, unroll::minimum, unroll::pow, unroll::sigmoid,
    unroll::sign, unroll::sin, unroll::softplus, unroll::sqrt, unroll::square, unroll::sum_of,
    unroll::tanh, unroll::where;

// clang inlines by size, where gcc follows [[gnu::flatten]] down to the last call.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)
#endif

template <std::size_t, class D>
struct Slot {
  D d;
};
template <class I, class... D>
struct Slots;
template <std::size_t... I, class... D>
struct Slots<std::index_sequence<I...>, D...> : Slot<I, D>... {};

template <unsigned Mask, class V, class... D>
struct Partial {
  V v;
  Slots<std::index_sequence_for<D...>, D...> slots;  // in the order of the bits in Mask
};

namespace detail {

template <class X>
inline constexpr bool is_partial = false;
template <unsigned M, class V, class... D>
inline constexpr bool is_partial<Partial<M, V, D...>> = true;

template <class X>
inline constexpr unsigned mask_of = 0;
template <unsigned M, class V, class... D>
inline constexpr unsigned mask_of<Partial<M, V, D...>> = M;

constexpr bool has(unsigned mask, int j) { return (mask >> j & 1U) != 0; }

constexpr std::size_t slot_of(unsigned mask, int j) {
  return static_cast<std::size_t>(std::popcount(mask & ((1U << j) - 1)));
}

constexpr int bit_at(unsigned mask, std::size_t n) {
  for (; n > 0; --n) mask &= mask - 1;
  return std::countr_zero(mask);
}

template <unsigned Mask>
using SlotsOf = std::make_index_sequence<static_cast<std::size_t>(std::popcount(Mask))>;

template <std::size_t I, class D>
const D& at(const Slot<I, D>& slot) {
  return slot.d;
}

template <int J, unsigned M, class V, class... D>
const auto& part(const Partial<M, V, D...>& p) {
  return at<slot_of(M, J)>(p.slots);
}

template <unsigned M, class V, class... D>
Partial<M, V, D...> make_partial(const V& v, const D&... d) {
  return {v, {{d}...}};
}

// The value without its derivatives, one level of them; and without any.
template <class X>
const X& value(const X& x) {
  return x;
}
template <unsigned M, class V, class... D>
const V& value(const Partial<M, V, D...>& x) {
  return x.v;
}
template <class X>
const X& innermost(const X& x) {
  return x;
}
template <unsigned M, class V, class... D>
const auto& innermost(const Partial<M, V, D...>& x) {
  return innermost(x.v);
}

// A factor or derivative that is a number becomes a double: 2 * x is no integer arithmetic.
template <class X>
const X& factor(const X& x) {
  return x;
}
template <Number X>
double factor(const X& x) {
  return static_cast<double>(x);
}

template <int J, class A, class B, class DA, class DB>
auto chain_one(const A& a, const B& b, const DA& da, const DB& db) {
  if constexpr (!has(mask_of<B>, J))
    return times(part<J>(a), da);
  else if constexpr (!has(mask_of<A>, J))
    return times(part<J>(b), db);
  else
    return plus(times(part<J>(a), da), times(part<J>(b), db));
}

template <class A, class V, class DA, std::size_t... I>
auto chain_slots(const A& a, const V& v, const DA& da, std::index_sequence<I...>) {
  return make_partial<mask_of<A>>(v, times(at<I>(a.slots), da)...);
}

// v = f(a) with f'(a) = da.
template <class A, class V, class DA>
auto chain(const A& a, const V& v, const DA& da) {
  return chain_slots(a, v, da, SlotsOf<mask_of<A>>{});
}

template <unsigned M, class A, class B, class V, class DA, class DB, std::size_t... I>
auto chain_slots(const A& a, const B& b, const V& v, const DA& da, const DB& db,
                 std::index_sequence<I...>) {
  return make_partial<M>(v, chain_one<bit_at(M, I)>(a, b, da, db)...);
}

// v = f(a, b) with the partial derivatives da and db; a or b may be a constant.
template <class A, class B, class V, class DA, class DB>
auto chain(const A& a, const B& b, const V& v, const DA& da, const DB& db) {
  constexpr unsigned M = mask_of<A> | mask_of<B>;
  return chain_slots<M>(a, b, v, da, db, SlotsOf<M>{});
}

template <int J, class C, class A, class B>
auto choose_one(const C& c, const A& a, const B& b) {
  if constexpr (!has(mask_of<B>, J))
    return gate(c, part<J>(a));
  else if constexpr (!has(mask_of<A>, J))
    return gate(!c, part<J>(b));
  else
    return choose(c, part<J>(a), part<J>(b));
}

template <unsigned M, class C, class A, class B, std::size_t... I>
auto choose_slots(const C& c, const A& a, const B& b, std::index_sequence<I...>) {
  return make_partial<M>(where(c, value(a), value(b)), choose_one<bit_at(M, I)>(c, a, b)...);
}

template <class X>
concept AnyPartial = is_partial<X>;
template <class A, class B>
concept WithPartial = is_partial<A> || is_partial<B>;

}  // namespace detail

template <class A, class B>
requires detail::WithPartial<A, B>
auto operator+(const A& a, const B& b) {
  return detail::chain(a, b, detail::value(a) + detail::value(b), One{}, One{});
}
template <class A, class B>
requires detail::WithPartial<A, B>
auto operator-(const A& a, const B& b) {
  return detail::chain(a, b, detail::value(a) - detail::value(b), One{}, -1.0);
}
template <class A, class B>
requires detail::WithPartial<A, B>
auto operator*(const A& a, const B& b) {
  const auto& x = detail::value(a);
  const auto& y = detail::value(b);
  return detail::chain(a, b, x * y, detail::factor(y), detail::factor(x));
}
template <class A, class B>
requires detail::WithPartial<A, B>
auto operator/(const A& a, const B& b) {
  const auto& x = detail::value(a);
  const auto& y = detail::value(b);
  const auto quotient = x / y;
  if constexpr (!detail::is_partial<B>) {
    return detail::chain(a, quotient, 1.0 / detail::factor(y));
  } else {
    const auto inverse = 1.0 / y;
    return detail::chain(a, b, quotient, inverse, -(quotient * inverse));
  }
}
template <detail::AnyPartial A>
auto operator-(const A& a) {
  return detail::chain(a, -a.v, -1.0);
}
template <detail::AnyPartial A>
A operator+(const A& a) {
  return a;
}

// Comparisons look at values only, and give a mask (or on numbers a bool).
template <class A, class B>
requires detail::WithPartial<A, B>
auto operator<(const A& a, const B& b) { return detail::innermost(a) < detail::innermost(b); }
template <class A, class B>
requires detail::WithPartial<A, B>
auto operator>(const A& a, const B& b) { return detail::innermost(a) > detail::innermost(b); }
template <class A, class B>
requires detail::WithPartial<A, B>
auto operator<=(const A& a, const B& b) { return detail::innermost(a) <= detail::innermost(b); }
template <class A, class B>
requires detail::WithPartial<A, B>
auto operator>=(const A& a, const B& b) { return detail::innermost(a) >= detail::innermost(b); }
template <class A, class B>
requires detail::WithPartial<A, B>
auto operator==(const A& a, const B& b) { return detail::innermost(a) == detail::innermost(b); }
template <class A, class B>
requires detail::WithPartial<A, B>
auto operator!=(const A& a, const B& b) { return detail::innermost(a) != detail::innermost(b); }

// Chooses value and derivatives by the mask, so that nothing of the branch not taken comes through,
// be it infinite or NaN, or met by an upstream gradient that is.
template <detail::Condition C, class A, class B>
requires detail::WithPartial<A, B>
auto where(const C& c, const A& a, const B& b) {
  constexpr unsigned M = detail::mask_of<A> | detail::mask_of<B>;
  return detail::choose_slots<M>(c, a, b, detail::SlotsOf<M>{});
}

// Of equals the first, with its derivative.
template <class A, class B>
requires detail::WithPartial<A, B>
auto maximum(const A& a, const B& b) { return where(detail::either(a >= b, a != a), a, b); }
template <class A, class B>
requires detail::WithPartial<A, B>
auto minimum(const A& a, const B& b) { return where(detail::either(a <= b, a != a), a, b); }

#if defined(__clang__)
#pragma clang attribute pop
#endif

}  // namespace unroll::simd
