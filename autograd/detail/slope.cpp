#include <unroll/autograd/detail/slope.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace unroll::detail {

std::vector<double> falling_steps(std::size_t levels, double first) {
  std::vector<double> steps;
  for (std::size_t k = 0; k < levels; ++k, first /= 4) steps.push_back(first);
  return steps;
}

Slope slope_of(std::span<const double> steps, std::span<const double> plus,
               std::span<const double> minus, double size) {
  constexpr double rounding = 4 * std::numeric_limits<double>::epsilon();
  // Extrapolated once: of order h⁴ in the step they begin with.
  std::vector<double> estimates;
  for (std::size_t k = 0; k + 1 < steps.size(); ++k) {
    const double wide = (plus[k] - minus[k]) / (2 * steps[k]);
    const double narrow = (plus[k + 1] - minus[k + 1]) / (2 * steps[k + 1]);
    estimates.push_back(extrapolated(wide, narrow, 16));
  }
  Slope slope;
  for (std::size_t k = 0; k + 2 < estimates.size(); ++k) {
    const auto [low, high] = std::minmax({estimates[k], estimates[k + 1], estimates[k + 2]});
    const double error = high - low + rounding * size / steps[k + 2];
    if (!std::isfinite(error) || !std::isfinite(estimates[k + 1])) continue;
    if (slope.usable && error >= slope.error) continue;
    slope = {.usable = true, .value = estimates[k + 1], .error = error, .level = k + 1};
  }
  // Steps across a pole give differences as well, that grow as the step falls.
  if (slope.error > 0.1 * std::abs(slope.value) && slope.error > 1e-9 * size) slope.usable = false;
  // A smooth function's gap is its second derivative times the step.
  const auto gap = [&](std::size_t k) { return (plus[k] + minus[k]) / steps[k]; };
  const std::size_t last = steps.size() - 1;
  const std::size_t before = last >= 3 ? last - 3 : 0;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t k = before; k <= last; ++k) least = std::min(least, std::abs(gap(k)));
  if (std::isfinite(gap(last)) && least > 0.25 * std::abs(gap(before)))
    slope.one_sided_gap = gap(last);
  return slope;
}

}  // namespace unroll::detail
