#pragma once

#include <unroll/autograd/index.h>
#include <unroll/autograd/simd/isa.h>
#include <unroll/autograd/simd/scalar.h>

#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

// Packets: one register full of values, per instruction set in a namespace of its own
// (unroll::simd::baseline, avx2, avx512), each compiled for its set whatever flags the including
// file has. A pointwise function is run over them. The functions on packets are those of
// math_body.h and power_body.h; the names and the meaning are those of <cmath> and scalar.h.
//
//   Packet<T>   T is float or double; arithmetic with packets and with numbers, which are
//               converted to T first: 1.0 - y stays f32
//   Mask<T>     the result of a comparison, for where(mask, a, b); &, |, ! combine masks
//
// Kernels are inlined down to the last call, but for checks of addresses, where that would take
// minutes to compile.
#if defined(__SANITIZE_ADDRESS__)
#define UNROLL_SIMD_FLATTEN
#else
#define UNROLL_SIMD_FLATTEN [[gnu::flatten]]
#endif

namespace unroll::simd {

namespace storage {

// What Packet and Mask hold. The copy constructor is not trivial, so that they are never passed in
// registers: a lambda compiled for the baseline and a kernel compiled for AVX2 must agree on how.
// It belongs to no instruction set, so that it can be inlined into both.
template <class V>
struct Register {
  V v;

  explicit Register(const V& values) { __builtin_memcpy(&v, &values, sizeof v); }
  Register(const Register& other) { __builtin_memcpy(&v, &other.v, sizeof v); }
  Register& operator=(const Register& other) {
    __builtin_memcpy(&v, &other.v, sizeof v);
    return *this;
  }
};

}  // namespace storage

using unroll::detail::Number;

// A packet of any instruction set.
template <class X>
concept AnyPacket = requires {
  typename X::PacketElement;
};

// A mask of any instruction set.
template <class X>
concept AnyMask = requires {
  typename X::MaskElement;
};

// How many values a pointwise function returned: those of a tuple, else one.
template <class X>
inline constexpr std::size_t result_count = 1;
template <class... X>
inline constexpr std::size_t result_count<std::tuple<X...>> = sizeof...(X);

template <class X>
inline constexpr bool is_tuple = false;
template <class... X>
inline constexpr bool is_tuple<std::tuple<X...>> = true;

// f(x...) as a tuple in either case, and without a copy.
template <class F, class... X>
auto tuple_of_results(const F& f, const X&... x) {
  using R = std::remove_cvref_t<decltype(f(x...))>;
  if constexpr (is_tuple<R>)
    return f(x...);
  else
    return std::tuple<R>(f(x...));
}

template <class>
inline constexpr bool never = false;

}  // namespace unroll::simd

#define UNROLL_SIMD_BODY <unroll/autograd/simd/packet_body.h>
#include <unroll/autograd/simd/for_each_isa.h>
#define UNROLL_SIMD_BODY <unroll/autograd/simd/instruction_body.h>
#include <unroll/autograd/simd/for_each_isa.h>
#define UNROLL_SIMD_BODY <unroll/autograd/simd/math_body.h>
#include <unroll/autograd/simd/for_each_isa.h>
#define UNROLL_SIMD_BODY <unroll/autograd/simd/power_body.h>
#include <unroll/autograd/simd/for_each_isa.h>

#if !defined(__x86_64__)
namespace unroll::simd {
namespace avx2 = baseline;
namespace avx512 = baseline;
}  // namespace unroll::simd
#endif

namespace unroll::simd {

// The one of three functions or objects that fits this processor.
template <class T>
T& dispatch(T& for_baseline, T& for_avx2, T& for_avx512) {
  const Isa isa = active_isa();
  return isa == Isa::avx512 ? for_avx512 : isa == Isa::avx2 ? for_avx2 : for_baseline;
}

}  // namespace unroll::simd
