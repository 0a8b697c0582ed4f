// Loops of update.cpp, compiled once for every instruction set.
namespace unroll::simd::UNROLL_SIMD_ISA {
namespace {

using optim::detail::Update;

template <class T>
using Loop = void (*)(const Update& u, Index n, const T* g, T* p, T* m, T* v);

// Numbers of an update as packets.
template <class T>
struct Prepared {
  explicit Prepared(const Update& u) : scale(u.scale), limit(u.limit), decay(u.decay) {}

  Packet<T> gradient(const Packet<T>& g, const Packet<T>& p) const {
    return math::smallest(math::largest(scale * g, -limit), limit) + decay * p;
  }

  Packet<T> scale, limit, decay;
};

// n is a multiple of the packet's size in each of the three. They are never inlined: a tail is run
// by the very instructions that run the rest, so no bit depends on where a pass was cut.
template <class T>
[[gnu::noinline, gnu::flatten]] void plain_loop(const Update& u, Index n, const T* g, T* p, T*,
                                                T*) {
  const Prepared<T> prepared(u);
  const Packet<T> rate(u.rate);
  for (Index i = 0; i < n; i += Packet<T>::size) {
    const auto x = Packet<T>::load(p + i);
    (x - rate * prepared.gradient(Packet<T>::load(g + i), x)).store(p + i);
  }
}

template <class T>
[[gnu::noinline, gnu::flatten]] void momentum_loop(const Update& u, Index n, const T* g, T* p, T* m,
                                                   T*) {
  const Prepared<T> prepared(u);
  const Packet<T> rate(u.rate), beta(u.beta1), of_gradient(u.of_gradient), of_first(u.of_first);
  for (Index i = 0; i < n; i += Packet<T>::size) {
    const auto x = Packet<T>::load(p + i);
    const auto d = prepared.gradient(Packet<T>::load(g + i), x);
    const auto first = beta * Packet<T>::load(m + i) + d;
    first.store(m + i);
    (x - rate * (of_gradient * d + of_first * first)).store(p + i);
  }
}

template <class T>
[[gnu::noinline, gnu::flatten]] void adam_loop(const Update& u, Index n, const T* g, T* p, T* m,
                                               T* v) {
  const Prepared<T> prepared(u);
  const Packet<T> rate(u.rate), keep(u.keep), root(u.root), epsilon(u.epsilon);
  const Packet<T> beta1(u.beta1), rest1(1 - u.beta1), beta2(u.beta2), rest2(1 - u.beta2);
  for (Index i = 0; i < n; i += Packet<T>::size) {
    const auto x = Packet<T>::load(p + i);
    const auto d = prepared.gradient(Packet<T>::load(g + i), x);
    const auto first = beta1 * Packet<T>::load(m + i) + rest1 * d;
    const auto second = beta2 * Packet<T>::load(v + i) + rest2 * (d * d);
    first.store(m + i);
    second.store(v + i);
    (keep * x - rate * (first / (root * sqrt(second) + epsilon))).store(p + i);
  }
}

// The tail goes through copies, since what lies behind it may be another thread's.
template <class T, Loop<T> loop>
void update(const Update& u, Index n, const T* g, T* p, T* m, T* v) {
  constexpr Index width = Packet<T>::size;
  const Index whole = n - n % width;
  if (whole > 0) loop(u, whole, g, p, m, v);
  if (whole == n) return;
  const auto bytes = static_cast<std::size_t>(n - whole) * sizeof(T);
  T gradient[width] = {};
  T in_place[3][width] = {};
  T* const moved[] = {p, m, v};
  std::memcpy(gradient, g + whole, bytes);
  for (int k = 0; k < 3; ++k)
    if (moved[k] != nullptr) std::memcpy(in_place[k], moved[k] + whole, bytes);
  loop(u, width, gradient, in_place[0], in_place[1], in_place[2]);
  for (int k = 0; k < 3; ++k)
    if (moved[k] != nullptr) std::memcpy(moved[k] + whole, in_place[k], bytes);
}

}  // namespace
}  // namespace unroll::simd::UNROLL_SIMD_ISA
