// Powers and signs on packets of one instruction set. Compiled by for_each_isa.h, see packet.h.

namespace unroll::simd::UNROLL_SIMD_ISA {

namespace math {

template <class T>
[[gnu::noinline, gnu::cold]] Packet<T> each_power(const Packet<T>& x, const Packet<T>& y) {
  T all[Packet<T>::size], exponents[Packet<T>::size];
  x.store(all);
  y.store(exponents);
  for (Index i = 0; i < Packet<T>::size; ++i) {
    if constexpr (single<T>)
      all[i] = __builtin_powf(all[i], exponents[i]);
    else
      all[i] = __builtin_pow(all[i], exponents[i]);
  }
  return Packet<T>::load(all);
}

}  // namespace math

// 1, -1, or x itself where it is a zero or NaN.
template <class T>
Packet<T> sign(const Packet<T>& x) {
  return where(x > 0, 1, where(x < 0, -1, x));
}

// By the C library, element by element: as accurate, and slow. So are its awkward cases: 1 for x^0
// and 1^y whatever x and y are, NaN for a negative x unless y is a whole number.
template <class T>
Packet<T> pow(const Packet<T>& x, const Packet<T>& y) {
  return math::each_power(x, y);
}
template <class T, Number X>
Packet<T> pow(X x, const Packet<T>& y) {
  return math::each_power(Packet<T>(x), y);
}
// Exponents that are common need no library, and those that a derivative makes of them.
template <class T, Number Y>
Packet<T> pow(const Packet<T>& x, Y y) {
  if (y == 2) return x * x;
  if (y == 1) return x;
  if (y == 0) return Packet<T>(1);
  if (y == 3) return x * x * x;
  if (y == -1) return 1 / x;
  if (y == 0.5)
    return where(x == -math::infinity<T>, math::infinity<T>, math::root(x + 0));  // not -0
  return math::each_power(x, Packet<T>(y));
}

}  // namespace unroll::simd::UNROLL_SIMD_ISA
