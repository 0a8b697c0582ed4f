// Loops of reduce.cpp, compiled once for every instruction set.
namespace unroll::simd::UNROLL_SIMD_ISA {
namespace {

// sums[c] += Σ over rows, in double.
template <class T>
void add_columns(const T* x, Index rows, Index columns, Index stride, double* sums) {
  for (Index r = 0; r < rows; ++r, x += stride)
    for (Index c = 0; c < columns; ++c) sums[c] += static_cast<double>(x[c]);
}

// Σ of n adjacent elements: eight sums side by side, so that it is not one long chain.
template <class T>
double add_row(const T* x, Index n) {
  double lanes[8] = {};
  Index i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) lanes[k] += static_cast<double>(x[i + k]);
  for (int k = 0; i < n; ++i, ++k) lanes[k] += static_cast<double>(x[i]);
  return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
         ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

}  // namespace
}  // namespace unroll::simd::UNROLL_SIMD_ISA
