// Three operations that compilers do not find by themselves in vector code, through builtins that
// gcc and clang name alike, but for AVX-512. Compiled by for_each_isa.h, see packet.h.

namespace unroll::simd::UNROLL_SIMD_ISA::math {

// root: the square root. largest, smallest: of a and b; b if one of them is NaN.
#if defined(__x86_64__) && UNROLL_SIMD_BYTES == 16
inline Packet<float> root(const Packet<float>& x) {
  return Packet<float>(__builtin_ia32_sqrtps(x.v));
}
inline Packet<double> root(const Packet<double>& x) {
  return Packet<double>(__builtin_ia32_sqrtpd(x.v));
}
inline Packet<float> largest(const Packet<float>& a, const Packet<float>& b) {
  return Packet<float>(__builtin_ia32_maxps(a.v, b.v));
}
inline Packet<double> largest(const Packet<double>& a, const Packet<double>& b) {
  return Packet<double>(__builtin_ia32_maxpd(a.v, b.v));
}
inline Packet<float> smallest(const Packet<float>& a, const Packet<float>& b) {
  return Packet<float>(__builtin_ia32_minps(a.v, b.v));
}
inline Packet<double> smallest(const Packet<double>& a, const Packet<double>& b) {
  return Packet<double>(__builtin_ia32_minpd(a.v, b.v));
}
#elif defined(__x86_64__) && UNROLL_SIMD_BYTES == 32
inline Packet<float> root(const Packet<float>& x) {
  return Packet<float>(__builtin_ia32_sqrtps256(x.v));
}
inline Packet<double> root(const Packet<double>& x) {
  return Packet<double>(__builtin_ia32_sqrtpd256(x.v));
}
inline Packet<float> largest(const Packet<float>& a, const Packet<float>& b) {
  return Packet<float>(__builtin_ia32_maxps256(a.v, b.v));
}
inline Packet<double> largest(const Packet<double>& a, const Packet<double>& b) {
  return Packet<double>(__builtin_ia32_maxpd256(a.v, b.v));
}
inline Packet<float> smallest(const Packet<float>& a, const Packet<float>& b) {
  return Packet<float>(__builtin_ia32_minps256(a.v, b.v));
}
inline Packet<double> smallest(const Packet<double>& a, const Packet<double>& b) {
  return Packet<double>(__builtin_ia32_minpd256(a.v, b.v));
}
#else
template <class T>
Packet<T> largest(const Packet<T>& a, const Packet<T>& b) {
  return Packet<T>(a.v > b.v ? a.v : b.v);
}
template <class T>
Packet<T> smallest(const Packet<T>& a, const Packet<T>& b) {
  return Packet<T>(a.v < b.v ? a.v : b.v);
}
#if defined(__x86_64__) && defined(__clang__)
// 4: the current rounding mode.
inline Packet<float> root(const Packet<float>& x) {
  return Packet<float>(__builtin_ia32_sqrtps512(x.v, 4));
}
inline Packet<double> root(const Packet<double>& x) {
  return Packet<double>(__builtin_ia32_sqrtpd512(x.v, 4));
}
#elif defined(__x86_64__)
inline Packet<float> root(const Packet<float>& x) {
  return Packet<float>(__builtin_ia32_sqrtps512_mask(x.v, x.v, static_cast<short>(-1), 4));
}
inline Packet<double> root(const Packet<double>& x) {
  return Packet<double>(__builtin_ia32_sqrtpd512_mask(x.v, x.v, static_cast<char>(-1), 4));
}
#else
inline Packet<float> root(const Packet<float>& x) {
  Packet<float> r;
  for (int i = 0; i < Packet<float>::size; ++i) r.v[i] = __builtin_sqrtf(x.v[i]);
  return r;
}
inline Packet<double> root(const Packet<double>& x) {
  Packet<double> r;
  for (int i = 0; i < Packet<double>::size; ++i) r.v[i] = __builtin_sqrt(x.v[i]);
  return r;
}
#endif
#endif

}  // namespace unroll::simd::UNROLL_SIMD_ISA::math
