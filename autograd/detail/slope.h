#pragma once

#include <span>
#include <vector>

namespace unroll::detail {

// What two estimates tend to, of which the narrow one has a `power`-th of the error of the wide one
// (Richardson).
inline double extrapolated(double wide, double narrow, double power) {
  return narrow + (narrow - wide) / (power - 1);
}

// What differences at falling steps say about a derivative: of one operation among thousands, which
// all were moved by the same runs. Where a function can be asked again, difference.h looks for steps
// that suit it.
struct Slope {
  bool usable = false;  // three neighbouring steps gave numbers that agree
  double value = 0;
  double error = 0;       // how far those are apart
  std::size_t level = 0;  // the middle one of the three
  double one_sided_gap =
      0;  // forward less backward difference, where it does not fall with the step
};

// From f(+h) - f(0) and f(-h) - f(0), h = steps[k] falling by a factor of 4 each. `size` is that of
// the terms of f: what rounding is counted from.
Slope slope_of(std::span<const double> steps, std::span<const double> plus,
               std::span<const double> minus, double size);

// 1e-2, 2.5e-3, …: `levels` of them.
std::vector<double> falling_steps(std::size_t levels, double first = 1e-2);

}  // namespace unroll::detail
