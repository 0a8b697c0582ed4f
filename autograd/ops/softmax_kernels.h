// Loops of softmax.cpp and cross_entropy.cpp, compiled once for every instruction set. The shift is
// the largest element, so that every exponent is at most 0.
namespace unroll::simd::UNROLL_SIMD_ISA {
namespace {

// The largest of n > 0 elements, NaN where there is one. Four chains, since one waits for itself.
template <class T>
[[gnu::flatten]] T row_max(const T* x, Index n) {
  constexpr Index width = Packet<T>::size;
  T largest = x[0];
  Index i = 0;
  if (n >= 4 * width) {
    Packet<T> a = Packet<T>::load(x), b = Packet<T>::load(x + width);
    Packet<T> c = Packet<T>::load(x + 2 * width), d = Packet<T>::load(x + 3 * width);
    for (i = 4 * width; i + 4 * width <= n; i += 4 * width) {
      a = maximum(a, Packet<T>::load(x + i));
      b = maximum(b, Packet<T>::load(x + i + width));
      c = maximum(c, Packet<T>::load(x + i + 2 * width));
      d = maximum(d, Packet<T>::load(x + i + 3 * width));
    }
    T values[width];
    maximum(maximum(a, b), maximum(c, d)).store(values);
    largest = values[0];
    for (Index k = 1; k < width; ++k)
      largest = values[k] > largest || values[k] != values[k] ? values[k] : largest;
  }
  for (; i < n; ++i) largest = x[i] > largest || x[i] != x[i] ? x[i] : largest;
  return largest;
}

// The first place that holds a value, which must be there.
template <class T>
Index row_find(const T* x, Index n, T value) {
  Index i = 0;
  for (; i + 16 <= n; i += 16) {
    int found = 0;
    for (int k = 0; k < 16; ++k) found |= static_cast<int>(x[i + k] == value);
    if (found != 0) break;
  }
  while (x[i] != value) ++i;
  return i;
}

// y = x - shift - log_sum, rounded once
template <class T>
void row_log(const T* x, Index n, double shift, double log_sum, T* y) {
  for (Index i = 0; i < n; ++i)
    y[i] = static_cast<T>((static_cast<double>(x[i]) - shift) - log_sum);
}

// Σ e^(x - shift), in double.
template <class T>
[[gnu::flatten]] double row_exp_sum(const T* x, Index n, T shift) {
  constexpr Index width = Packet<T>::size;
  double sum = 0;
  Index i = 0;
  const Packet<T> s(shift);
  while (i + width <= n) {
    // A short stretch in T, then on in double.
    const Index end = i + 32 * width < n ? i + 32 * width : n;
    Packet<T> lanes(T(0));
    for (; i + width <= end; i += width)
      lanes = lanes + math::exp_below_zero(Packet<T>::load(x + i) - s);
    T values[width];
    lanes.store(values);
    for (Index k = 0; k < width; ++k) sum += static_cast<double>(values[k]);
  }
  if (i < n) {
    T values[width];
    math::exp_below_zero(Packet<T>::load_first(x + i, n - i) - s).store(values);
    for (Index k = 0; k < n - i; ++k) sum += static_cast<double>(values[k]);
  }
  return sum;
}

// y = factor · e^(x - shift - log_sum)
template <class T>
[[gnu::flatten]] void row_exp(const T* x, Index n, T shift, T log_sum, T factor, T* y) {
  constexpr Index width = Packet<T>::size;
  const Packet<T> s(shift);
  const Packet<T> l(log_sum);
  const Packet<T> f(factor);
  Index i = 0;
  for (; i + width <= n; i += width)
    (f * math::exp_below_zero((Packet<T>::load(x + i) - s) - l)).store(y + i);
  if (i < n)
    (f * math::exp_below_zero((Packet<T>::load_first(x + i, n - i) - s) - l))
        .store_first(y + i, n - i);
}

// y += factor · e^(x - shift - log_sum)
template <class T>
[[gnu::flatten]] void row_add_exp(const T* x, Index n, T shift, T log_sum, T factor, T* y) {
  constexpr Index width = Packet<T>::size;
  const Packet<T> s(shift);
  const Packet<T> l(log_sum);
  const Packet<T> f(factor);
  Index i = 0;
  for (; i + width <= n; i += width)
    (Packet<T>::load(y + i) + f * math::exp_below_zero((Packet<T>::load(x + i) - s) - l))
        .store(y + i);
  if (i < n) {
    T values[width];
    (f * math::exp_below_zero((Packet<T>::load_first(x + i, n - i) - s) - l)).store(values);
    for (Index k = 0; k < n - i; ++k) y[i + k] += values[k];
  }
}

// dx = y (dy - Σ y dy), or dx += that; the sum in double. Since Σ y = 1, a number may be taken off
// every dy: that of the largest y, whose own gradient is else the difference of two numbers that are
// nearly equal where it has almost all of the weight.
template <class T, bool accumulate>
[[gnu::flatten]] void row_softmax_gradient(const T* y, const T* dy, Index n, T* dx) {
  T most[8] = {}, beside[8] = {};  // the largest y of each lane, and dy there
  const auto look = [&](Index at, int lane) {
    const bool more = y[at] > most[lane];
    most[lane] = more ? y[at] : most[lane];
    beside[lane] = more ? dy[at] : beside[lane];
  };
  Index i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) look(i + k, k);
  for (int k = 0; i < n; ++i, ++k) look(i, k);
  int largest = 0;
  for (int k = 1; k < 8; ++k)
    if (most[k] > most[largest]) largest = k;
  const T shift = beside[largest];

  double lanes[8] = {};
  const auto add = [&](Index at, int lane) {
    lanes[lane] +=
        static_cast<double>(y[at]) * (static_cast<double>(dy[at]) - static_cast<double>(shift));
  };
  for (i = 0; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) add(i + k, k);
  for (int k = 0; i < n; ++i, ++k) add(i, k);
  const T sum = static_cast<T>(((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
                               ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7])));
  for (i = 0; i < n; ++i) {
    const T g = y[i] * ((dy[i] - shift) - sum);
    dx[i] = accumulate ? dx[i] + g : g;
  }
}

}  // namespace
}  // namespace unroll::simd::UNROLL_SIMD_ISA
