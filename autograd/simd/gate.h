#pragma once

#include <unroll/autograd/simd/packet.h>
#include <unroll/autograd/simd/scalar.h>

#include <type_traits>

// Derivatives of choices. Multiplying by a 0 that stands for "not taken" would turn an infinite or
// NaN factor into NaN; so the choice is carried along in the type and made after the last product.
namespace unroll::simd {

// As in partial.h.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)
#endif

struct One {};

// A derivative d where `open` holds, exactly 0 elsewhere, whatever it is multiplied by.
template <class M, class D>
struct Gate {
  M open;
  D d;
};

namespace detail {

template <class X>
inline constexpr bool is_gate = false;
template <class M, class D>
inline constexpr bool is_gate<Gate<M, D>> = true;

template <class X>
concept Condition = AnyMask<X> || std::is_integral_v<X>;

// Conditions are masks, or bools for all lanes alike; a mixture is a mask.
template <Condition A, Condition B>
auto both(const A& a, const B& b) {
  if constexpr (AnyMask<A> && AnyMask<B>)
    return a & b;
  else if constexpr (AnyMask<A>)
    return b ? a : a & !a;
  else if constexpr (AnyMask<B>)
    return a ? b : b & !b;
  else
    return a && b;
}
template <Condition A, Condition B>
auto either(const A& a, const B& b) {
  if constexpr (AnyMask<A> && AnyMask<B>)
    return a | b;
  else if constexpr (AnyMask<A>)
    return b ? a | !a : a;
  else if constexpr (AnyMask<B>)
    return a ? b | !b : b;
  else
    return a || b;
}

template <class M, class D>
auto gate(const M& open, const D& d) {
  if constexpr (is_gate<D>)
    return gate(both(open, d.open), d.d);
  else
    return Gate<M, D>{open, d};
}

// A derivative as something to compute with.
template <class X>
const X& plain(const X& x) {
  return x;
}
inline double plain(One) { return 1.0; }
template <class M, class D>
auto plain(const Gate<M, D>& x) {
  return where(x.open, plain(x.d), 0.0);
}

template <class X, class Y>
auto times(const X& x, const Y& y) {
  if constexpr (is_gate<X>)
    return gate(x.open, times(x.d, y));
  else if constexpr (std::is_same_v<X, One>)
    return y;
  else if constexpr (std::is_same_v<Y, One>)
    return x;
  else
    return x * y;
}

template <class X, class Y>
auto plus(const X& x, const Y& y) {
  if constexpr (is_gate<X> && is_gate<Y>)
    return gate(either(x.open, y.open), plain(x) + plain(y));
  else
    return plain(x) + plain(y);
}

template <class D>
const D& behind(const D& d) {
  return d;
}
template <class M, class D>
const D& behind(const Gate<M, D>& d) {
  return d.d;
}

// a where c holds, else b.
template <class C, class A, class B>
auto choose_plain(const C& c, const A& a, const B& b) {
  if constexpr (std::is_same_v<A, One> && std::is_same_v<B, One>)
    return One{};
  else
    return where(c, plain(a), plain(b));
}
template <class C, class A, class B>
auto choose(const C& c, const A& a, const B& b) {
  auto d = choose_plain(c, behind(a), behind(b));
  if constexpr (is_gate<A> && is_gate<B>)
    return gate(either(both(c, a.open), both(!c, b.open)), d);
  else if constexpr (is_gate<A>)
    return gate(either(!c, a.open), d);
  else if constexpr (is_gate<B>)
    return gate(either(c, b.open), d);
  else
    return d;
}

}  // namespace detail

#if defined(__clang__)
#pragma clang attribute pop
#endif

}  // namespace unroll::simd
