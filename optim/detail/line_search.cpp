#include <unroll/optim/detail/line_search.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace unroll::optim::detail {
namespace {

constexpr double decrease = 1e-4, flatness = 0.9;
constexpr Index most_trials = 25;

// Where the cubic through both points with their slopes is least, within low … high; the middle
// where it has no minimum.
double interpolated(const LinePoint& a, const LinePoint& b, double low, double high) {
  const LinePoint& left = a.t <= b.t ? a : b;
  const LinePoint& right = a.t <= b.t ? b : a;
  const double width = right.t - left.t;
  const double bend = left.slope + right.slope - 3 * (right.loss - left.loss) / width;
  const double root = std::sqrt(bend * bend - left.slope * right.slope);
  const double least =
      right.t - width * ((right.slope + root - bend) / (right.slope - left.slope + 2 * root));
  return std::isfinite(least) ? std::clamp(least, low, high) : (low + high) / 2;
}

class Search {
 public:
  Search(const std::function<LinePoint(double t)>& trial, LinePoint start)
      : trial_(trial), start_(std::move(start)) {}

  LinePoint run(double first, double least) {
    LinePoint before = start_, now = at(first);
    while (true) {
      if (too_high(now) || (trials_ > 1 && now.loss >= before.loss)) break;
      if (flat(now)) return now;
      if (now.slope >= 0) break;
      if (trials_ > most_trials) {  // downhill still
        return now;
      }
      const double next = interpolated(before, now, now.t + 0.01 * (now.t - before.t), 10 * now.t);
      before = std::exchange(now, at(next));
    }
    return narrowed(std::move(before), std::move(now), least);
  }

 private:
  LinePoint at(double t) {
    ++trials_;
    LinePoint point = trial_(t);
    if (!std::isfinite(point.loss) || !std::isfinite(point.slope))
      point.loss = std::numeric_limits<double>::infinity();
    return point;
  }
  bool too_high(const LinePoint& p) const {
    return p.loss > start_.loss + decrease * p.t * start_.slope;
  }
  bool flat(const LinePoint& p) const { return std::abs(p.slope) <= -flatness * start_.slope; }

  // A minimum lies between both.
  LinePoint narrowed(LinePoint low, LinePoint high, double least) {
    if (high.loss < low.loss) std::swap(low, high);
    bool slow = false;  // the last trial was close to an end of the bracket
    while (trials_ <= most_trials && std::abs(high.t - low.t) >= least) {
      const double left = std::min(low.t, high.t), right = std::max(low.t, high.t);
      const double margin = 0.1 * (right - left);
      double t = interpolated(low, high, left, right);
      if (std::min(right - t, t - left) >= margin) {
        slow = false;
      } else if (slow || t >= right || t <= left) {
        t = right - t < t - left ? right - margin : left + margin;
        slow = false;
      } else {
        slow = true;
      }
      LinePoint now = at(t);
      if (too_high(now) || now.loss >= low.loss) {
        high = std::move(now);
        if (high.loss < low.loss) std::swap(low, high);
        continue;
      }
      if (flat(now)) return now;
      if (now.slope * (high.t - low.t) >= 0) high = std::move(low);
      low = std::move(now);
    }
    return low;
  }

  const std::function<LinePoint(double t)>& trial_;
  LinePoint start_;
  Index trials_ = 0;
};

}  // namespace

LinePoint strong_wolfe(const std::function<LinePoint(double t)>& trial, LinePoint start,
                       double first, double least) {
  return Search(trial, std::move(start)).run(first, least);
}

}  // namespace unroll::optim::detail
