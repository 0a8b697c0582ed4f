// Loops of cross_entropy.cpp, compiled once for every instruction set.
namespace unroll::simd::UNROLL_SIMD_ISA {
namespace {

// Σ (x - shift), in double: eight sums side by side, so that it is not one long chain.
template <class T>
double row_sum(const T* x, Index n, double shift) {
  double lanes[8] = {};
  Index i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) lanes[k] += static_cast<double>(x[i + k]) - shift;
  for (int k = 0; i < n; ++i, ++k) lanes[k] += static_cast<double>(x[i]) - shift;
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

}  // namespace
}  // namespace unroll::simd::UNROLL_SIMD_ISA
