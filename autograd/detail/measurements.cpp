#include <unroll/autograd/detail/measurements.h>
#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/detail/strided.h>

#include <algorithm>
#include <cmath>

namespace unroll::detail {
namespace {

template <class T>
graph::Statistics statistics_of(std::span<const T> elements) {
  graph::Statistics s;
  Index finite = 0;
  for (const T element : elements) {
    const auto x = static_cast<double>(element);
    if (std::isnan(x)) {
      ++s.nan;
    } else if (std::isinf(x)) {
      ++s.infinite;
    } else {
      s.least = finite == 0 ? x : std::min(s.least, x);
      s.most = finite == 0 ? x : std::max(s.most, x);
      s.zeros += x == 0 ? 1 : 0;
      ++finite;
    }
  }
  if (finite == 0) return s;
  // Neither sums nor squares leave the range.
  const double largest = std::max(std::abs(s.least), std::abs(s.most));
  const double scale = largest > 1e100 || (largest < 1e-100 && largest > 0) ? largest : 1;
  const auto mean_of = [&](const auto& f) {
    double sum = 0;
    for (const T element : elements)
      if (const auto x = static_cast<double>(element); std::isfinite(x)) sum += f(x / scale);
    return sum / static_cast<double>(finite);
  };
  const double mean = mean_of([](double x) { return x; });
  s.mean = mean * scale;
  s.deviation = std::sqrt(mean_of([&](double x) { return (x - mean) * (x - mean); })) * scale;
  return s;
}

}  // namespace

graph::Statistics statistics_of(const Tensor& x) {
  const Tensor dense = dense_copy(x);
  return visit(x.dtype(), [&]<class T>(T) {
    return statistics_of(
        std::span<const T>(data<T>(dense), static_cast<std::size_t>(dense.size())));
  });
}

void Measurements::entered(std::uint32_t value, const Tensor& x) {
  if (!statistics_) return;
  if (statistics.size() <= value) statistics.resize(value + 1);
  if (!statistics[value]) statistics[value] = statistics_of(x);
}

void Measurements::recorded(Recording& tape, std::span<Header* const> operands,
                            std::span<Header* const> results) {
  if (tape.recomputed.replaying()) return;
  if (timings_)
    seconds.put(tape.nodes.size() - 1, std::chrono::duration<double>(Clock::now() - last_).count());
  if (statistics_) {
    const auto handle = [](Header* x) {
      retain(x);
      return Tensor::adopt(x);
    };
    for (Header* x : operands) {
      if (x->tape != tape.serial && !x->is(Header::leaf)) continue;
      const std::uint32_t value = tape.history(x, "statistics");
      if (value != no_value && tape.values[value].is_leaf != 0) entered(value, handle(x));
    }
    for (Header* x : results) entered(x->value, handle(x));
  }
  last_ = Clock::now();
}

void Measurements::take_back(std::size_t nodes, std::size_t values) noexcept {
  if (statistics.size() > values) statistics.resize(values);
  seconds.take_back(nodes);
  backward_seconds.take_back(nodes);
}

}  // namespace unroll::detail
