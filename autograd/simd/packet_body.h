// Packet and Mask of one instruction set. Compiled by for_each_isa.h, see packet.h.

namespace unroll::simd::UNROLL_SIMD_ISA {

using unroll::horner;
using unroll::sum_of;

template <class T>
struct Lanes;
template <>
struct Lanes<float> {
  using Values = float __attribute__((vector_size(UNROLL_SIMD_BYTES)));
  using Bits = std::int32_t __attribute__((vector_size(UNROLL_SIMD_BYTES)));
  using Unsigned = std::uint32_t __attribute__((vector_size(UNROLL_SIMD_BYTES)));
};
template <>
struct Lanes<double> {
  using Values = double __attribute__((vector_size(UNROLL_SIMD_BYTES)));
  using Bits = std::int64_t __attribute__((vector_size(UNROLL_SIMD_BYTES)));
  using Unsigned = std::uint64_t __attribute__((vector_size(UNROLL_SIMD_BYTES)));
};

template <class T>
struct Mask;

template <class T>
struct Packet : storage::Register<typename Lanes<T>::Values> {
  using PacketElement = T;
  using Values = typename Lanes<T>::Values;
  using Bits = typename Lanes<T>::Bits;
  static constexpr Index size = UNROLL_SIMD_BYTES / static_cast<Index>(sizeof(T));

  using Base = storage::Register<Values>;
  using Base::v;

  Packet() : Base{Values{}} {}
  template <Number S>
  Packet(S s) : Base{static_cast<T>(s) - Values{}} {}  // minus 0: a plus would turn -0 into 0
  explicit Packet(const Values& values) : Base{values} {}
  explicit Packet(const Bits& bits) : Base{reinterpret_cast<Values>(bits)} {}

  static Packet load(const T* p) {
    Packet r;
    __builtin_memcpy(&r.v, p, sizeof r.v);
    return r;
  }
  void store(T* p) const { __builtin_memcpy(p, &v, sizeof v); }
  // The first n elements, 0 <= n < size, and zeros: what lies behind may be another task's.
  static Packet load_first(const T* p, Index n) {
    T all[size] = {};
    copy_first(all, p, n);
    return load(all);
  }
  void store_first(T* p, Index n) const {
    T all[size];
    store(all);
    copy_first(p, all, n);
  }

  friend Packet operator+(const Packet& a, const Packet& b) { return Packet(a.v + b.v); }
  friend Packet operator-(const Packet& a, const Packet& b) { return Packet(a.v - b.v); }
  friend Packet operator*(const Packet& a, const Packet& b) { return Packet(a.v * b.v); }
  friend Packet operator/(const Packet& a, const Packet& b) { return Packet(a.v / b.v); }
  friend Packet operator-(const Packet& a) { return Packet(-a.v); }
  friend Packet operator+(const Packet& a) { return a; }

  friend Mask<T> operator<(const Packet& a, const Packet& b) { return Mask<T>(a.v < b.v); }
  friend Mask<T> operator>(const Packet& a, const Packet& b) { return Mask<T>(a.v > b.v); }
  friend Mask<T> operator<=(const Packet& a, const Packet& b) { return Mask<T>(a.v <= b.v); }
  friend Mask<T> operator>=(const Packet& a, const Packet& b) { return Mask<T>(a.v >= b.v); }
  friend Mask<T> operator==(const Packet& a, const Packet& b) { return Mask<T>(a.v == b.v); }
  friend Mask<T> operator!=(const Packet& a, const Packet& b) { return Mask<T>(a.v != b.v); }

  // For a condition that is one for all, as a captured bool.
  friend Packet where(bool condition, const Packet& a, const Packet& b) {
    return condition ? a : b;
  }

  // NaN in either is the result; of equals the first.
  friend Packet maximum(const Packet& a, const Packet& b) {
    return where((a >= b) | (a != a), a, b);
  }
  friend Packet minimum(const Packet& a, const Packet& b) {
    return where((a <= b) | (a != a), a, b);
  }

 private:
  static void copy_first(T* to, const T* from, Index n) {
    if constexpr (size > 8)
      if (n & 8) {
        __builtin_memcpy(to, from, 8 * sizeof(T));
        to += 8, from += 8;
      }
    if constexpr (size > 4)
      if (n & 4) {
        __builtin_memcpy(to, from, 4 * sizeof(T));
        to += 4, from += 4;
      }
    if constexpr (size > 2)
      if (n & 2) {
        __builtin_memcpy(to, from, 2 * sizeof(T));
        to += 2, from += 2;
      }
    if (n & 1) *to = *from;
  }
};

// Each lane holds all ones or all zeros.
template <class T>
struct Mask : storage::Register<typename Lanes<T>::Bits> {
  using MaskElement = T;
  using Bits = typename Lanes<T>::Bits;
  using Base = storage::Register<Bits>;
  using Base::v;

  explicit Mask(const Bits& bits) : Base{bits} {}

  explicit operator bool() const {
    static_assert(never<T>,
                  "[pointwise] a comparison of packets has no single truth value; needed where(a > "
                  "b, x, y); hint: write where in place of if, ?:, && and ||");
    return false;
  }

  friend Mask operator&(const Mask& a, const Mask& b) { return Mask(a.v & b.v); }
  friend Mask operator|(const Mask& a, const Mask& b) { return Mask(a.v | b.v); }
  friend Mask operator^(const Mask& a, const Mask& b) { return Mask(a.v ^ b.v); }
  friend Mask operator!(const Mask& a) { return Mask(~a.v); }

  // The elements of a where the mask holds, else those of b; each a packet or a number.
  friend Packet<T> where(const Mask& mask, const Packet<T>& a, const Packet<T>& b) {
    return Packet<T>(mask.v ? a.v : b.v);
  }
};

// Whether the mask holds in any lane.
template <class T>
bool any(const Mask<T>& mask) {
  std::uint64_t words[UNROLL_SIMD_BYTES / 8];
  __builtin_memcpy(words, &mask.v, sizeof words);
  std::uint64_t all = 0;
  for (const std::uint64_t w : words) all |= w;
  return all != 0;
}

}  // namespace unroll::simd::UNROLL_SIMD_ISA
