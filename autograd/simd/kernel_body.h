// The loop of a pointwise function for one instruction set. Compiled by for_each_isa.h, see
// kernel.h.

namespace unroll::simd::UNROLL_SIMD_ISA {

template <class T>
const Packet<T>& to_packet(const Packet<T>& x) {
  return x;
}
template <class T, Number X>
Packet<T> to_packet(const X& x) {
  return Packet<T>(x);
}
template <class T, AnyMask X>
Packet<T> to_packet(const X&) {
  static_assert(never<X>,
                "[pointwise] a function that returns a comparison; needed a number; hint: "
                "where(a > b, 1.0, 0.0)");
  return Packet<T>();
}

// Runs f over dense rows of n elements, in whole packets: up to a packet less one element is read
// and written behind each row.
template <class T>
using Stretch = void (*)(const void* f, Index n, const T* const* x, T* const* y);

// Cuts what a kernel was asked for into stretches. Defined in driver.cpp.
template <class T>
void drive(Stretch<T> stretch, const void* f, int inputs, int outputs, Index rows, Index columns,
           const PointwiseInput* in, const PointwiseOutput* out);

template <class T, class F, class I, class K>
struct Kernel;

template <class T, class F, std::size_t... I, std::size_t... K>
struct Kernel<T, F, std::index_sequence<I...>, std::index_sequence<K...>> {
  UNROLL_SIMD_FLATTEN static void stretch(const void* function, Index n, const T* const* inputs,
                                          T* const* outputs) {
    const F f = *static_cast<const F*>(function);
    const T* const x[] = {inputs[I]...};
    T* const y[] = {outputs[K]...};
    Index i = 0;
    do {
      const auto v = tuple_of_results(f, Packet<T>::load(x[I] + i)...);
      (to_packet<T>(std::get<K>(v)).store(y[K] + i), ...);
      i += Packet<T>::size;
    } while (i < n);
  }

  static void run(const void* function, Index rows, Index columns, const PointwiseInput* in,
                  const PointwiseOutput* out) {
    drive<T>(stretch, function, sizeof...(I), sizeof...(K), rows, columns, in, out);
  }
};

}  // namespace unroll::simd::UNROLL_SIMD_ISA
