#include <unroll/autograd/detail/norm.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/parallel.h>

namespace unroll::detail {
namespace {

constexpr double large = 0x1p+500;
constexpr Index block = 16384;

}  // namespace

void NormSum::add(const Tensor& x) {
  const Tensor dense = dense_copy(x);
  const Index blocks = (dense.size() + block - 1) / block;
  std::vector<double> plain(static_cast<std::size_t>(blocks), 0.0);
  std::vector<double> scaled(static_cast<std::size_t>(blocks), 0.0);
  visit_floating(dense.dtype(), [&]<class T>(T) {
    const T* p = data<T>(dense);
    parallel_for(dense.size(), block, [&](Index begin, Index end) {
      constexpr Index lanes = 8;  // independent sums, so that the loop is not one long chain
      std::array<double, lanes> sum{};
      double over = 0;
      for (Index i = begin; i < end; i += lanes) {
        const Index n = std::min(lanes, end - i);
        for (Index k = 0; k < n; ++k) {
          const double v = static_cast<double>(p[i + k]);
          if (sizeof(T) == 8 && std::abs(v) > large)
            over += (v / large) * (v / large);
          else
            sum[static_cast<std::size_t>(k)] += v * v;
        }
      }
      double total = 0;
      for (const double s : sum) total += s;
      plain[static_cast<std::size_t>(begin / block)] = total;
      scaled[static_cast<std::size_t>(begin / block)] = over;
    });
  });
  for (const double s : plain) plain_ += s;
  for (const double s : scaled) scaled_ += s;
}

double NormSum::norm() const {
  if (scaled_ == 0) return std::sqrt(plain_);
  return std::sqrt(scaled_ + plain_ / large / large) * large;
}

}  // namespace unroll::detail
