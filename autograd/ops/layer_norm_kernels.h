// Loops of layer_norm.cpp, compiled once for every instruction set. The mean comes in two parts of
// type T, so that x - mean is right also where the spread is small beside the mean.
namespace unroll::simd::UNROLL_SIMD_ISA {
namespace {

// Sums have eight places side by side whatever the register, one sum to a loop: gcc keeps no two of
// them in registers.
inline double add_places(const double (&sums)[8]) {
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

// Σ (x - mean), or Σ (x - mean)²
template <class T, bool squared>
double row_deviations(const T* x, Index n, double mean) {
  double sums[8] = {};
  Index i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) {
      const double d = static_cast<double>(x[i + k]) - mean;
      sums[k] += squared ? d * d : d;
    }
  for (int k = 0; i < n; ++i, ++k) {
    const double d = static_cast<double>(x[i]) - mean;
    sums[k] += squared ? d * d : d;
  }
  return add_places(sums);
}

// y = (x - mean) scale weight + bias; null: without.
template <class T>
void row_normalise(const T* x, Index n, T mean, T rest, T scale, const T* weight, const T* bias,
                   T* y) {
  if (weight != nullptr && bias != nullptr)
    for (Index i = 0; i < n; ++i) y[i] = ((x[i] - mean) - rest) * scale * weight[i] + bias[i];
  else if (weight != nullptr)
    for (Index i = 0; i < n; ++i) y[i] = ((x[i] - mean) - rest) * scale * weight[i];
  else if (bias != nullptr)
    for (Index i = 0; i < n; ++i) y[i] = ((x[i] - mean) - rest) * scale + bias[i];
  else
    for (Index i = 0; i < n; ++i) y[i] = ((x[i] - mean) - rest) * scale;
}

// Σ g, or Σ g x̂, with g = dy weight and x̂ = (x - mean) scale.
template <class T, bool weighted, bool along>
double gradient_sum(const T* x, const T* dy, const T* weight, Index n, T mean, T rest, T scale) {
  double sums[8] = {};
  Index i = 0;
  for (; i + 8 <= n; i += 8)
    for (int k = 0; k < 8; ++k) {
      const T g = weighted ? dy[i + k] * weight[i + k] : dy[i + k];
      const T normal = along ? ((x[i + k] - mean) - rest) * scale : T(1);
      sums[k] += static_cast<double>(g) * static_cast<double>(normal);
    }
  for (int k = 0; i < n; ++i, ++k) {
    const T g = weighted ? dy[i] * weight[i] : dy[i];
    const T normal = along ? ((x[i] - mean) - rest) * scale : T(1);
    sums[k] += static_cast<double>(g) * static_cast<double>(normal);
  }
  return add_places(sums);
}

template <class T>
void row_gradient_sums(const T* x, const T* dy, const T* weight, Index n, T mean, T rest, T scale,
                       double* sums) {
  if (weight != nullptr) {
    sums[0] = gradient_sum<T, true, false>(x, dy, weight, n, mean, rest, scale);
    sums[1] = gradient_sum<T, true, true>(x, dy, weight, n, mean, rest, scale);
  } else {
    sums[0] = gradient_sum<T, false, false>(x, dy, weight, n, mean, rest, scale);
    sums[1] = gradient_sum<T, false, true>(x, dy, weight, n, mean, rest, scale);
  }
}

// dx = (g - plain - x̂ along) scale, or dx += that.
template <class T, bool accumulate>
void row_gradient(const T* x, const T* dy, const T* weight, Index n, T mean, T rest, T scale,
                  T plain, T along, T* dx) {
  for (Index i = 0; i < n; ++i) {
    const T g = weight == nullptr ? dy[i] : dy[i] * weight[i];
    const T normal = ((x[i] - mean) - rest) * scale;
    const T d = ((g - plain) - normal * along) * scale;
    dx[i] = accumulate ? dx[i] + d : d;
  }
}

// dweight += dy x̂, dbias += dy
template <class T>
void row_add_parameters(const T* x, const T* dy, Index n, T mean, T rest, T scale, double* dweight,
                        double* dbias) {
  for (Index i = 0; i < n; ++i) {
    const T normal = ((x[i] - mean) - rest) * scale;
    dweight[i] += static_cast<double>(dy[i]) * static_cast<double>(normal);
    dbias[i] += static_cast<double>(dy[i]);
  }
}

template <class T>
struct LayerNormLoops {
  double (*deviations)(const T*, Index, double) = row_deviations<T, false>;
  double (*squares)(const T*, Index, double) = row_deviations<T, true>;
  void (*normalise)(const T*, Index, T, T, T, const T*, const T*, T*) = row_normalise<T>;
  void (*sums)(const T*, const T*, const T*, Index, T, T, T, double*) = row_gradient_sums<T>;
  void (*gradient)(const T*, const T*, const T*, Index, T, T, T, T, T, T*) = row_gradient<T, false>;
  void (*add_gradient)(const T*, const T*, const T*, Index, T, T, T, T, T,
                       T*) = row_gradient<T, true>;
  void (*parameters)(const T*, const T*, Index, T, T, T, double*, double*) = row_add_parameters<T>;
};
template <class T>
constexpr LayerNormLoops<T> layer_norm_loops{};

}  // namespace
}  // namespace unroll::simd::UNROLL_SIMD_ISA
