#pragma once

#include <unroll/autograd/index.h>

#include <functional>
#include <vector>

namespace unroll::optim::detail {

// A point of a line: the loss there, its derivative along the line, and its gradient.
struct LinePoint {
  double t = 0;
  double loss = 0;
  double slope = 0;
  std::vector<double> gradient = {};
};

// A point with loss <= start.loss + 1e-4 · t · start.slope and |slope| <= 0.9 · |start.slope|,
// beginning with `first`; start.slope is negative, start.t 0. Nocedal and Wright 2006, algorithms
// 3.5 and 3.6, with cubic interpolation that keeps away from the ends of the bracket. Where 25
// trials or a bracket narrower than `least` find none: the lowest point of the bracket, which may
// be the start. A point whose loss is not finite counts as infinitely high.
LinePoint strong_wolfe(const std::function<LinePoint(double t)>& trial, LinePoint start,
                       double first, double least);

}  // namespace unroll::optim::detail
