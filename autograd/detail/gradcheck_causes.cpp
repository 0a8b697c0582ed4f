#include <unroll/autograd/detail/gradcheck_compare.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace unroll::detail {
namespace {

double relative_to(double a, double b) {
  const double size = std::max(std::abs(a), std::abs(b));
  return !(size <= 0) ? std::abs(a - b) / size : 0;
}

// Whether differences at three steps in a row are within `spread` of a value.
bool steps_agree(std::span<const GradcheckSweep> sweep, double value, double spread) {
  int in_a_row = 0;
  for (const GradcheckSweep& s : sweep) {
    in_a_row = std::abs(s.numeric - value) <= spread ? in_a_row + 1 : 0;
    if (in_a_row == 3) return true;
  }
  return false;
}

// Slopes on either side of the point at one step; NaN on a side where there is no value.
struct Sides {
  double step, left, right;
};

// Whether slopes on the left and on the right stay apart as the step shrinks, down to where
// rounding would hide it: then the point lies on a kink or an edge, and no rule is right there.
bool is_kink(const std::vector<Sides>& sides, double rounding, double analytic, double numeric) {
  const Sides* before = nullptr;
  int apart = 0;
  int looked_at = 0;
  for (const Sides& s : sides) {  // from large steps to small
    const double size = std::max({std::abs(s.left), std::abs(s.right), std::abs(numeric)});
    if (std::isnan(s.left) != std::isnan(s.right)) {
      ++looked_at;
      ++apart;
      continue;
    }
    if (std::isnan(s.left)) continue;
    if (size > 0 && rounding / s.step > 1e-3 * size) break;
    const double gap = std::abs(s.right - s.left);
    const bool stays = gap > 1e-2 * size && before != nullptr &&
                       gap > 0.5 * std::abs(before->right - before->left);
    ++looked_at;
    apart = stays || (gap > 1e-2 * size && before == nullptr) ? apart + 1 : 0;
    before = &s;
  }
  if (apart < 3 || looked_at < 3) return false;
  if (before == nullptr || !std::isfinite(analytic)) return true;
  const double low = std::min(before->left, before->right);
  const double high = std::max(before->left, before->right);
  const double slack = 1e-3 * std::max(std::abs(low), std::abs(high));
  const bool jumps = high - low > 1e3 * std::abs(sides.front().right - sides.front().left);
  return jumps || (analytic >= low - slack && analytic <= high + slack);
}

}  // namespace

bool Comparison::changes_nothing(std::size_t input) {
  const Direction d = random_direction(input);
  const AlongLine g = line(d, {});
  Numbers moved;
  bool evaluated = false;
  for (const double t : {0x1p-3, -0x1p-5, 0x1p-10, -0x1p-20}) {
    if (!g(t, moved)) continue;
    if (moved != base_) return false;
    evaluated = true;
  }
  return evaluated;
}

// Differences at powers of 2 can come out exact where values have lost nearly all of their digits on
// the way, as (x + 1e12) - 1e12 has. Steps that are no such numbers show it: where none of three says
// anything of the derivative although |f| does not explain it.
void Comparison::check_grain(std::size_t input) {
  if (rows_.empty() || check_ != "gradient") return;
  Direction d{.input = input, .numbers = {}};
  const double scale = problem_.inputs()[input].scale;
  for (std::size_t j = 0; j < problem_.inputs()[input].at.size(); ++j)
    d.numbers.push_back((rng_.uniform() < 0.5 ? -scale : scale) * (0.5 + rng_.uniform()));
  const AlongLine g = line(d, {});
  Numbers up, down;
  std::vector<int> unseen(base_.size(), 0);
  Numbers numeric(base_.size()), analytic(base_.size());
  constexpr std::array<double, 3> steps{0x1p-16, 0x1p-23, 0x1p-30};
  for (const double t : steps) {
    if (!g(t, up) || !g(-t, down)) return;
    for (std::size_t k = 0; k < base_.size(); ++k) {
      double squares = 0;
      long double total = 0;
      for (std::size_t j = 0; j < d.numbers.size(); ++j) {
        const double part = rows_[k][input][j] * d.numbers[j];
        total += part;
        squares += part * part;
      }
      analytic[k] = static_cast<double>(total);
      numeric[k] = (up[k] - down[k]) / (2 * t);
      const double rounding =
          1e3 * std::numeric_limits<double>::epsilon() * std::abs(base_[k]) / t +
          floor_of(input) * scale;
      if (std::abs(numeric[k] - analytic[k]) > 0.5 * std::sqrt(squares) + rounding) ++unseen[k];
    }
  }
  const auto at = std::find(unseen.begin(), unseen.end(), static_cast<int>(steps.size()));
  if (at == unseen.end()) return;
  const auto k = static_cast<std::size_t>(at - unseen.begin());
  Wrong wrong{.direction = d,
              .output = static_cast<Index>(k),
              .analytic = analytic[k],
              .numeric = {.value = numeric[k], .error = HUGE_VAL},
              .relative = relative_to(analytic[k], numeric[k])};
  GradcheckFinding f = finding(wrong, 1, 1);
  f.cause = GradcheckCause::precision;
  findings.push_back(std::move(f));
}

void Comparison::classify(const Wrong& wrong, GradcheckFinding& finding) {
  const Problem::Input& input = problem_.inputs()[wrong.direction.input];
  const Numbers w = weights_of(wrong);
  const AlongLine g = line(wrong.direction, {&w, 1});
  const LineScale scale = scale_of(wrong.direction, {&w, 1});
  double unit = wrong.direction.element >= 0 ? input.scale : 1;
  if (scale.own > 0) unit = std::min(unit, 1e3 * scale.own);
  // Powers of 10 show a grain of values that powers of 2 may step over.
  unit = std::pow(10, std::round(std::log10(unit)));
  Numbers at, up, down;
  g(0, at);
  std::vector<Sides> sides;
  for (int power = -1; power >= -11; --power) {
    const double h = unit * std::pow(10, power);
    const bool above = g(h, up);
    const bool below = g(-h, down);
    const double numeric = above && below ? (up[0] - down[0]) / (2 * h) : std::nan("");
    finding.sweep.push_back(
        {.step = h, .numeric = numeric, .error = relative_to(wrong.analytic, numeric)});
    sides.push_back({.step = h,
                     .left = below ? (at[0] - down[0]) / h : std::nan(""),
                     .right = above ? (up[0] - at[0]) / h : std::nan("")});
  }
  const double n = wrong.numeric.value;
  const double a = wrong.analytic;
  const bool certain = wrong.numeric.error <= 0.1 * std::abs(a - n) &&
                       steps_agree(finding.sweep, n, 0.2 * std::abs(a - n));
  if (std::all_of(sides.begin(), sides.end(),
                  [](const Sides& s) { return std::isnan(s.left) && std::isnan(s.right); }) &&
      !problem_.last_error().empty())
    finding.note = "beside the point the function throws " + problem_.last_error();
  using enum GradcheckCause;
  const auto multiple = [&](double factor) {
    return std::abs(a - factor * n) < 1e-5 * std::abs(a);
  };
  if (changes_nothing(wrong.direction.input) && a != 0)
    finding.cause = unrelated;
  else if (is_kink(sides, scale.rounding[0], a, std::isfinite(n) ? n : 0))
    finding.cause = kink;
  else if (!certain && std::isfinite(a))
    finding.cause = precision;
  else if (a == 0)
    finding.cause = missing;
  else if (n != 0 && (multiple(2) || multiple(3)))
    finding.cause = counted_twice;
  else
    finding.cause = wrong_derivative;
}

// A gradient is missing, or was counted twice, where that is so of every wrong entry of the input;
// and no part of a missing one came. Else the rule is wrong in more than that.
void Comparison::soften(GradcheckFinding& finding, std::span<const Wrong> wrong) const {
  using enum GradcheckCause;
  const auto no_part = [this](const Wrong& w) {
    return w.analytic == 0 && std::all_of(rows_.begin(), rows_.end(), [&](const auto& row) {
             return row[w.direction.input][static_cast<std::size_t>(w.direction.element)] == 0;
           });
  };
  const auto multiple = [](const Wrong& w) {
    const double slack = 1e-5 * std::abs(w.analytic);
    return std::abs(w.analytic - 2 * w.numeric.value) < slack ||
           std::abs(w.analytic - 3 * w.numeric.value) < slack;
  };
  if ((finding.cause == missing && !std::all_of(wrong.begin(), wrong.end(), no_part)) ||
      (finding.cause == counted_twice && !std::all_of(wrong.begin(), wrong.end(), multiple)))
    finding.cause = wrong_derivative;
}

GradcheckFinding Comparison::finding(const Wrong& wrong, Index count, Index of) {
  const Problem::Input& input = problem_.inputs()[wrong.direction.input];
  GradcheckFinding f{.check = check_,
                     .input = input.name,
                     .shape = input.shape,
                     .analytic = wrong.analytic,
                     .numeric = wrong.numeric.value,
                     .relative_error = wrong.relative,
                     .wrong = count,
                     .of = of};
  if (wrong.direction.element >= 0) f.index = index_of(wrong.direction.element, input.shape);
  if (wrong.output >= 0) {
    const auto& results = problem_.results();
    std::size_t r = results.size() - 1;
    while (results[r].from > wrong.output) --r;
    f.result = static_cast<Index>(r);
    f.results = std::ssize(results);
    f.output = index_of(wrong.output - results[r].from, results[r].shape);
  }
  classify(wrong, f);
  return f;
}

}  // namespace unroll::detail
