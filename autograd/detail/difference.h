#pragma once

#include <unroll/autograd/index.h>

#include <functional>
#include <span>
#include <vector>

namespace unroll::detail {

// Numbers g(t) of a function along a line through a point, t = 0. False where it has none.
using AlongLine = std::function<bool(double t, std::vector<double>& numbers)>;

// Where to look and how far what is found there can be trusted at all.
struct LineScale {
  double typical = 1;  // a step that moves the point noticeably, and not out of its surroundings
  double own = 0;      // another, where that of one element may be far smaller
  std::vector<double> rounding = {};  // of each number g(0)
};

// An estimate of dg/dt at 0, and what it is trusted to.
struct LineSlope {
  double value = 0;
  double error = 0;
};

// What is thought of an estimate: keep looking, it will do, or it is certain and refutes.
enum class Verdict { undecided, agrees, refuted };

// dg/dt at 0 by central differences at h, h/2, h/4 and, where needed, h/8, extrapolated to h = 0
// (Richardson; Neville's scheme in h², error of order h⁶ or h⁸), with the step h looked for from
// large to small and then larger, until every number is decided. `judge` is asked about number k.
struct LineSlopes {
  std::vector<LineSlope> best;   // of the block that decided, else the most trusted one
  std::vector<Verdict> verdict;  // of each number
  bool reached = false;          // there was a step at which g has numbers on either side
};
LineSlopes slopes_along(const AlongLine& g, const LineScale& scale,
                        const std::function<Verdict(std::size_t k, const LineSlope& s)>& judge);

}  // namespace unroll::detail
