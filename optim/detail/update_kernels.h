// Loops of update.cpp, compiled once for every instruction set.
namespace unroll::simd::UNROLL_SIMD_ISA {
namespace {

template <class T>
using Kernel = void (*)(const Update&, Index n, const T* g, T* p, T* const* moments);

// n is a multiple of the packet's size. Never inlined: a tail is run by the very instructions that
// run the rest, so no bit depends on where a pass was cut.
template <class T, class Rule>
[[gnu::noinline, gnu::flatten]] void whole_packets(const Update& u, Index n, const T* g, T* p,
                                                   T* const* moments) {
  const Packet<T> scale(u.scale), limit(u.limit), decay(u.decay);
  const Rule rule(u);
  for (Index i = 0; i < n; i += Packet<T>::size) {
    Packet<T> x = Packet<T>::load(p + i);
    const Packet<T> clipped =
        math::smallest(math::largest(scale * Packet<T>::load(g + i), -limit), limit);
    Packet<T> m[Rule::moments + 1];
    for (int k = 0; k < Rule::moments; ++k) m[k] = Packet<T>::load(moments[k] + i);
    rule(clipped + decay * x, x, m);
    for (int k = 0; k < Rule::moments; ++k) m[k].store(moments[k] + i);
    x.store(p + i);
  }
}

// The tail goes through copies, since what lies behind it may be another thread's.
template <class T, class Rule>
void update(const Update& u, Index n, const T* g, T* p, T* const* moments) {
  constexpr Index width = Packet<T>::size;
  const Index whole = n - n % width;
  if (whole > 0) whole_packets<T, Rule>(u, whole, g, p, moments);
  if (whole == n) return;
  const auto bytes = static_cast<std::size_t>(n - whole) * sizeof(T);
  T gradient[width] = {}, parameter[width] = {};
  T moment[Rule::moments + 1][width] = {};
  T* copies[Rule::moments + 1];
  std::memcpy(gradient, g + whole, bytes);
  std::memcpy(parameter, p + whole, bytes);
  for (int k = 0; k < Rule::moments; ++k) {
    copies[k] = moment[k];
    std::memcpy(moment[k], moments[k] + whole, bytes);
  }
  whole_packets<T, Rule>(u, width, gradient, parameter, copies);
  std::memcpy(p + whole, parameter, bytes);
  for (int k = 0; k < Rule::moments; ++k) std::memcpy(moments[k] + whole, moment[k], bytes);
}

template <class T>
Kernel<T> kernel_of(optim::detail::Rule rule) {
  using enum optim::detail::Rule;
  switch (rule) {
    case plain:
      return update<T, Plain<T>>;
    case momentum:
      return update<T, Momentum<T>>;
    case adam:
      return update<T, Adam<T>>;
    case amsgrad:
      return update<T, AmsGrad<T>>;
    case nadam:
      return update<T, NAdam<T>>;
    case adamax:
      return update<T, Adamax<T>>;
    case rmsprop:
      return update<T, RmsPropPlain<T>>;
    case rmsprop_centred:
      return update<T, RmsPropCentred<T>>;
    case rmsprop_momentum:
      return update<T, RmsPropMomentum<T>>;
    case rmsprop_centred_momentum:
      return update<T, RmsPropBoth<T>>;
    case adagrad:
      return update<T, Adagrad<T>>;
    case adadelta:
      return update<T, Adadelta<T>>;
    case lion:
      break;
  }
  return update<T, Lion<T>>;
}

}  // namespace
}  // namespace unroll::simd::UNROLL_SIMD_ISA
