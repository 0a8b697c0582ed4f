#pragma once

#include <unroll/autograd/simd/kernel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

// Running a table's kernel over plain vectors, and the distance to a reference.
namespace simd_test {

using unroll::Index;
using unroll::simd::Isa;
using unroll::simd::PointwiseInput;
using unroll::simd::PointwiseOutput;
using unroll::simd::PointwiseTable;

template <class T>
inline constexpr int element = std::is_same_v<T, double> ? 1 : 0;

inline std::vector<Isa> isas_here() {
  std::vector<Isa> all;
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512})
    if (unroll::simd::has_isa(isa)) all.push_back(isa);
  return all;
}

// A block with the 64 bytes behind its last element that kernels may read.
template <class T>
struct Block {
  std::vector<T> all;
  std::size_t size;

  explicit Block(std::size_t n, T value = T()) : all(n + 64 / sizeof(T), value), size(n) {}
  explicit Block(const std::vector<T>& values) : Block(values.size()) {
    std::copy(values.begin(), values.end(), all.begin());
  }
  T& operator[](std::size_t i) { return all[i]; }
  T operator[](std::size_t i) const { return all[i]; }
  const std::byte* data() const { return reinterpret_cast<const std::byte*>(all.data()); }
  std::byte* data() { return reinterpret_cast<std::byte*>(all.data()); }
};

// All results of a table's function over dense inputs of one length.
template <class T>
std::vector<std::vector<T>> run(const PointwiseTable& table, const void* f, Isa isa,
                                const std::vector<std::vector<T>>& inputs) {
  const std::size_t n = inputs.at(0).size();
  std::vector<Block<T>> x, y;
  for (const auto& v : inputs) x.emplace_back(v);
  for (int k = 0; k < table.outputs; ++k) y.emplace_back(n);
  std::vector<PointwiseInput> in;
  std::vector<PointwiseOutput> out;
  for (auto& b : x) in.push_back({.data = b.data()});
  for (auto& b : y) out.push_back({.data = b.data()});
  table.kernel[element<T>][static_cast<int>(isa)](f, 1, static_cast<Index>(n), in.data(),
                                                  out.data());
  std::vector<std::vector<T>> results;
  for (auto& b : y) results.emplace_back(b.all.begin(), b.all.begin() + static_cast<Index>(n));
  return results;
}

template <class T, class F>
std::vector<T> map(const F& f, Isa isa, const std::vector<T>& x) {
  return run<T>(unroll::simd::pointwise_table<F, 1, 0>(), &f, isa, {x})[0];
}

// |y - reference| in units of T's last place at the reference; 0 where both are NaN or the same
// infinity, infinite where only one is.
template <class T>
double ulps(T y, long double reference) {
  constexpr double far = std::numeric_limits<double>::infinity();
  const T nearest = static_cast<T>(reference);
  if (std::isnan(y) || std::isnan(nearest)) return std::isnan(y) && std::isnan(nearest) ? 0 : far;
  if (std::isinf(y) || std::isinf(nearest)) return y == nearest ? 0 : far;
  int exponent = 0;
  std::frexp(reference, &exponent);
  using Limits = std::numeric_limits<T>;
  const int unit = std::max(exponent, Limits::min_exponent) - Limits::digits;
  return static_cast<double>(std::abs(std::ldexp(static_cast<long double>(y) - reference, -unit)));
}

}  // namespace simd_test
