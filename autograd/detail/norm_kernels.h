// Loops of norm.cpp, compiled once for every instruction set.
namespace unroll::simd::UNROLL_SIMD_ISA {
namespace {

template <class T, bool scaled>
double square_of(T element, double scale) {
  const double v = scaled ? static_cast<double>(element) * scale : static_cast<double>(element);
  return v * v;
}

// Σ (scale · x)² in double. Sixteen sums side by side whatever the register, so that squares of
// f32, which are exact, give the same bits on every instruction set.
template <class T, bool scaled>
double sum_of_squares(const T* x, Index n, double scale) {
  constexpr int lanes = 16;
  double sums[lanes] = {};
  Index i = 0;
  for (; i + lanes <= n; i += lanes)
    for (int k = 0; k < lanes; ++k) sums[k] += square_of<T, scaled>(x[i + k], scale);
  for (int k = 0; i < n; ++i, ++k) sums[k] += square_of<T, scaled>(x[i], scale);
  for (int half = lanes / 2; half > 0; half /= 2)
    for (int k = 0; k < half; ++k) sums[k] += sums[k + half];
  return sums[0];
}

}  // namespace
}  // namespace unroll::simd::UNROLL_SIMD_ISA
