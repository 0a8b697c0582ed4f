// The body of test_isa.cpp: y = 2 x, and which instruction set it is.

namespace unroll::simd::UNROLL_SIMD_ISA {
namespace {

constexpr Index register_bytes = UNROLL_SIMD_BYTES;

template <class T>
[[gnu::flatten]] void doubled(const T* x, Index n, T* y, Index* bytes) {
  for (Index i = 0; i < n; i += Packet<T>::size) (2 * Packet<T>::load(x + i)).store(y + i);
  *bytes = register_bytes;
}

}  // namespace
}  // namespace unroll::simd::UNROLL_SIMD_ISA
