#include <unroll/autograd/detail/norm.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/simd/packet.h>

#include <cmath>
#include <vector>

#define UNROLL_SIMD_BODY <unroll/autograd/detail/norm_kernels.h>
#include <unroll/autograd/simd/for_each_isa.h>

namespace unroll::detail {
namespace {

constexpr Index block = 32768;
// Sums of squares of f64 between these lost nothing to overflow or underflow; those of f32 all are.
constexpr double too_small = 0x1p-900;
constexpr double too_large = 0x1p+900;
constexpr double factor = 0x1p+600;  // brings the squares of the largest and smallest into range

template <class T, bool scaled>
double sum_of_squares(const T* x, Index n, double scale = 1) {
  return simd::dispatch(simd::baseline::sum_of_squares<T, scaled>,
                        simd::avx2::sum_of_squares<T, scaled>,
                        simd::avx512::sum_of_squares<T, scaled>)(x, n, scale);
}

}  // namespace

void NormSum::add(const Tensor& x) {
  const Tensor dense = dense_copy(x);
  visit_floating(dense.dtype(), [&]<class T>(T) {
    const T* p = data<T>(dense);
    std::vector<Sums> sums(static_cast<std::size_t>((dense.size() + block - 1) / block));
    parallel_for(dense.size(), block, [&](Index begin, Index end) {
      Sums& part = sums[static_cast<std::size_t>(begin / block)];
      const double sum = sum_of_squares<T, false>(p + begin, end - begin);
      if (sizeof(T) == 4 || (sum > too_small && sum < too_large))
        part.plain = sum;
      else if (sum <= too_small)
        part.small = sum_of_squares<T, true>(p + begin, end - begin, factor);
      else
        part.large = sum_of_squares<T, true>(p + begin, end - begin, 1 / factor);
    });
    for (const Sums& part : sums) {
      sums_.small += part.small;
      sums_.plain += part.plain;
      sums_.large += part.large;
    }
  });
}

double NormSum::norm() const {
  const auto [small, plain, large] = sums_;
  if (large != 0) return std::sqrt(large + plain / factor / factor) * factor;
  if (plain != 0) return std::sqrt(plain + small / factor / factor);
  return std::sqrt(small) / factor;
}

}  // namespace unroll::detail
