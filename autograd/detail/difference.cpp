#include <unroll/autograd/detail/difference.h>
#include <unroll/autograd/detail/slope.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace unroll::detail {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr int most_points = 4;

// Central differences at h, h/2, h/4 … of one number, extrapolated as they come.
class Tableau {
 public:
  LineSlope add(double difference, double rounding) {
    double above = difference;
    double power = 4;
    std::array<double, most_points> row{};
    row[0] = difference;
    for (std::size_t i = 0; i < points_; ++i, power *= 4) {
      above = extrapolated(last_[i], above, power);
      row[i + 1] = above;
    }
    LineSlope s{.value = above, .error = infinity};
    if (points_ > 0) s.error = std::abs(above - row[points_ - 1]) + rounding;
    if (!std::isfinite(above)) s.error = infinity;
    last_ = row;
    ++points_;
    return s;
  }

 private:
  std::array<double, most_points> last_{};
  std::size_t points_ = 0;
};

class Search {
 public:
  Search(const AlongLine& g, const LineScale& scale,
         const std::function<Verdict(std::size_t, const LineSlope&)>& judge)
      : g_(g), scale_(scale), judge_(judge), count_(scale.rounding.size()) {
    found_.best.assign(count_, LineSlope{.value = std::nan(""), .error = infinity});
    found_.verdict.assign(count_, Verdict::undecided);
    refuting_.assign(count_, LineSlope{.value = 0, .error = infinity});
  }

  LineSlopes run() {
    const double base = scale_.typical;
    if (block(base) == Outcome::decided) return std::move(found_);
    const double own = scale_.own;
    const bool own_is_small = own > 0 && own < base / 4;
    if (own_is_small && block(own) == Outcome::decided) return std::move(found_);
    double h = base / 16;
    for (int i = 0; i < 10; ++i, h /= 16) {
      const Outcome outcome = block(h);
      if (outcome == Outcome::decided) return std::move(found_);
      if (outcome == Outcome::rounding) break;
    }
    h = base * 16;
    for (int i = 0; i < 6; ++i, h *= 16) {
      const Outcome outcome = block(h);
      if (outcome == Outcome::decided) return std::move(found_);
      if (outcome == Outcome::outside) break;
    }
    return std::move(found_);
  }

 private:
  enum class Outcome { decided, undecided, rounding, outside };

  Outcome block(double start) {
    std::vector<Tableau> tableaus(count_);
    std::vector<LineSlope> slopes(count_);
    bool rounding_rules = false;
    for (int point = 0; point < most_points; ++point) {
      const double h = std::ldexp(start, -point);
      if (!g_(h, up_) || !g_(-h, down_)) return Outcome::outside;
      rounding_rules = true;
      for (std::size_t k = 0; k < count_; ++k) {
        const double difference = (up_[k] - down_[k]) / (2 * h);
        const double rounding = scale_.rounding[k] / h;
        slopes[k] = tableaus[k].add(difference, rounding);
        rounding_rules = rounding_rules && rounding > 0.5 * slopes[k].error;
      }
      if (point >= 2 && take(slopes, point + 1 == most_points, start > scale_.typical))
        return Outcome::decided;
    }
    found_.reached = true;
    return rounding_rules ? Outcome::rounding : Outcome::undecided;
  }

  // True where every number is decided. Far from the point a bounded function is flat, with slopes
  // that differ by little: there an estimate has to be good beside itself.
  bool take(const std::vector<LineSlope>& slopes, bool last, bool far) {
    bool all = true;
    for (std::size_t k = 0; k < count_; ++k) {
      Verdict& verdict = found_.verdict[k];
      if (verdict != Verdict::undecided) continue;
      const Verdict now = judge_(k, slopes[k]);
      if (now == Verdict::agrees) {
        verdict = now;
        found_.best[k] = slopes[k];
        continue;
      }
      // Steps below the grain of a function that is computed in f32 leave it as it is: an estimate
      // of 0 counts only where there is no other.
      if (far && !(slopes[k].error <= 1e-4 * std::abs(slopes[k].value))) {
        all = false;
        continue;
      }
      LineSlope& best = found_.best[k];
      const bool nothing_else = best.value == 0 || !(best.error < infinity);
      if (slopes[k].value == 0
              ? nothing_else && slopes[k].error < best.error
              : slopes[k].error < infinity && (nothing_else || slopes[k].error < best.error))
        best = slopes[k];
      if (now == Verdict::refuted && last) refute(k, slopes[k]);
      all = all && verdict != Verdict::undecided;
    }
    if (all) found_.reached = true;
    return all;
  }

  // Twice, by steps that lie far apart and say the same. A number that no step has changed may have
  // been left by all of them.
  void refute(std::size_t k, const LineSlope& s) {
    LineSlope& before = refuting_[k];
    const double apart = std::abs(s.value - before.value);
    if (before.error < infinity && s.value != 0 &&
        apart <= 4 * (s.error + before.error) + 1e-9 * std::abs(s.value)) {
      found_.verdict[k] = Verdict::refuted;
      if (before.error < s.error) found_.best[k] = before;
    }
    before = s;
  }

  const AlongLine& g_;
  const LineScale& scale_;
  const std::function<Verdict(std::size_t, const LineSlope&)>& judge_;
  std::size_t count_;
  LineSlopes found_;
  std::vector<LineSlope> refuting_;
  std::vector<double> up_, down_;
};

}  // namespace

LineSlopes slopes_along(const AlongLine& g, const LineScale& scale,
                        const std::function<Verdict(std::size_t k, const LineSlope& s)>& judge) {
  return Search(g, scale, judge).run();
}

}  // namespace unroll::detail
