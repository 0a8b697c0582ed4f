#include <unroll/autograd/parallel.h>
#include <unroll/optim/detail/flat.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace unroll::optim::detail {
namespace {

constexpr Index grain = 16384;

// Σ f(i) over all elements: eight sums in a block, one number for each block, added in order.
template <class F>
double blockwise_sum(Index n, const F& f) {
  std::vector<double> blocks(static_cast<std::size_t>((n + grain - 1) / grain));
  unroll::detail::parallel_for(n, grain, [&](Index begin, Index end) {
    double lanes[8] = {};
    Index i = begin;
    for (; i + 8 <= end; i += 8)
      for (Index k = 0; k < 8; ++k) lanes[k] += f(static_cast<std::size_t>(i + k));
    for (; i < end; ++i) lanes[0] += f(static_cast<std::size_t>(i));
    blocks[static_cast<std::size_t>(begin / grain)] =
        ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
        ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
  });
  double sum = 0;
  for (const double block : blocks) sum += block;
  return sum;
}

}  // namespace

double dot(std::span<const double> x, std::span<const double> y) {
  return blockwise_sum(std::ssize(x), [&](std::size_t i) { return x[i] * y[i]; });
}

void add_scaled(double factor, std::span<const double> x, std::span<double> y) {
  unroll::detail::parallel_for(std::ssize(x), grain, [&](Index begin, Index end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
      y[i] += factor * x[i];
  });
}

double largest_size(std::span<const double> x) {
  double largest = 0;
  for (const double v : x) largest = std::max(largest, std::abs(v));
  return largest;
}

double sum_of_sizes(std::span<const double> x) {
  return blockwise_sum(std::ssize(x), [&](std::size_t i) { return std::abs(x[i]); });
}

}  // namespace unroll::optim::detail
