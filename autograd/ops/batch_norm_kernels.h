// Loops of batch_norm.cpp, compiled once for every instruction set, over rows of n features.
namespace unroll::simd::UNROLL_SIMD_ISA {
namespace {

// y = ((x - mean) - rest) scale + shift
template <class T>
void normalise_columns(const T* x, Index rows, Index n, const T* mean, const T* rest,
                       const T* scale, const T* shift, T* y) {
  for (Index r = 0; r < rows; ++r, x += n, y += n)
    for (Index c = 0; c < n; ++c) y[c] = ((x[c] - mean[c]) - rest[c]) * scale[c] + shift[c];
}

// plain += dy, along += dy x̂
template <class T>
void add_column_sums(const T* x, const T* dy, Index rows, Index n, const T* mean, const T* rest,
                     const T* scale, double* plain, double* along) {
  for (Index r = 0; r < rows; ++r, x += n, dy += n)
    for (Index c = 0; c < n; ++c) {
      const T normal = ((x[c] - mean[c]) - rest[c]) * scale[c];
      plain[c] += static_cast<double>(dy[c]);
      along[c] += static_cast<double>(dy[c]) * static_cast<double>(normal);
    }
}

// dx = ((dy - plain) - x̂ along) factor, or dx += that
template <class T, bool accumulate>
void column_gradients(const T* x, const T* dy, Index rows, Index n, const T* mean, const T* rest,
                      const T* scale, const T* plain, const T* along, const T* factor, T* dx,
                      Index step) {
  for (Index r = 0; r < rows; ++r, x += n, dy += n, dx += step)
    for (Index c = 0; c < n; ++c) {
      const T normal = ((x[c] - mean[c]) - rest[c]) * scale[c];
      const T d = ((dy[c] - plain[c]) - normal * along[c]) * factor[c];
      dx[c] = accumulate ? dx[c] + d : d;
    }
}

template <class T>
struct BatchNormLoops {
  void (*normalise)(const T*, Index, Index, const T*, const T*, const T*, const T*,
                    T*) = normalise_columns<T>;
  void (*sums)(const T*, const T*, Index, Index, const T*, const T*, const T*, double*,
               double*) = add_column_sums<T>;
  void (*gradient)(const T*, const T*, Index, Index, const T*, const T*, const T*, const T*,
                   const T*, const T*, T*, Index) = column_gradients<T, false>;
  void (*add_gradient)(const T*, const T*, Index, Index, const T*, const T*, const T*, const T*,
                       const T*, const T*, T*, Index) = column_gradients<T, true>;
};
template <class T>
constexpr BatchNormLoops<T> batch_norm_loops{};

}  // namespace
}  // namespace unroll::simd::UNROLL_SIMD_ISA
