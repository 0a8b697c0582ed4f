#include <unroll/autograd/detail/gradcheck_compare.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace unroll::detail {
namespace {

constexpr double epsilon = std::numeric_limits<double>::epsilon();
constexpr Index most_wrong = 24;  // columns of one input that are searched before the rest is left

// A power of 2, so that x + h and x - h are exact: about a thirtieth of what an element is.
double step_beside(double size) {
  return size > 0 && std::isfinite(size) ? std::exp2(std::floor(std::log2(size / 20))) : 0;
}

double weighted(const Numbers& w, const Numbers& y) {
  long double total = 0;
  for (std::size_t k = 0; k < y.size(); ++k)
    total += static_cast<long double>(w[k]) * static_cast<long double>(y[k]);
  return static_cast<double>(total);
}

// Moves a problem's point, and back on every way out.
class Moved {
 public:
  Moved(Problem& problem, const Direction& d, double t) : problem_(problem), d_(d) { apply(t); }
  ~Moved() { apply(0); }
  Moved(const Moved&) = delete;
  Moved& operator=(const Moved&) = delete;

 private:
  void apply(double t) {
    const Numbers& at = problem_.inputs()[d_.input].at;
    if (d_.element >= 0) {
      problem_.move(d_.input, d_.element, at[static_cast<std::size_t>(d_.element)] + t);
      return;
    }
    if (t == 0) return problem_.move(d_.input, at);
    Numbers moved = at;
    for (std::size_t j = 0; j < at.size(); ++j) moved[j] += t * d_.numbers[j];
    problem_.move(d_.input, moved);
  }

  Problem& problem_;
  const Direction& d_;
};

}  // namespace

double largest_finite(const Numbers& numbers) {
  double most = 0;
  for (const double v : numbers)
    if (std::isfinite(v)) most = std::max(most, std::abs(v));
  return most;
}

Comparison::Comparison(Problem& problem, const GradcheckOptions& options, std::string check)
    : problem_(problem),
      options_(options),
      check_(std::move(check)),
      rng_(Rng(options.seed).split(check_)) {}

AlongLine Comparison::line(const Direction& d, std::span<const Numbers> weights) {
  return [this, &d, weights, y = Numbers()](double t, Numbers& numbers) mutable {
    {
      const Moved moved(problem_, d, t);
      if (!problem_.evaluate(y)) return false;
    }
    if (weights.empty()) {
      numbers = y;
      return true;
    }
    numbers.resize(weights.size());
    for (std::size_t m = 0; m < weights.size(); ++m) numbers[m] = weighted(weights[m], y);
    return true;
  };
}

LineScale Comparison::scale_of(const Direction& d, std::span<const Numbers> weights) const {
  const Problem::Input& input = problem_.inputs()[d.input];
  LineScale scale;
  if (d.element >= 0) {
    scale.typical = step_beside(input.scale);
    scale.own = step_beside(std::abs(input.at[static_cast<std::size_t>(d.element)]));
  } else {
    scale.typical = 0x1p-5;
  }
  if (weights.empty())
    for (const double y : base_) scale.rounding.push_back(epsilon * std::abs(y));
  for (const Numbers& w : weights) {
    double squares = 0;
    for (std::size_t k = 0; k < w.size(); ++k) squares += w[k] * base_[k] * w[k] * base_[k];
    scale.rounding.push_back(epsilon * std::sqrt(squares));
  }
  return scale;
}

Verdict Comparison::verdict(double analytic, double floor, const LineSlope& s, double trust) const {
  const double size = std::max({std::abs(analytic), std::abs(s.value), floor});
  const double allowed = options_.relative * size;
  const double apart = std::abs(analytic - s.value);
  if (s.error <= trust * allowed && apart <= allowed + s.error) return Verdict::agrees;
  if (s.error <= 0.1 * allowed && apart > allowed + 10 * s.error) return Verdict::refuted;
  return Verdict::undecided;
}

LineSlopes Comparison::slopes(const Direction& d, const Judged& judged) {
  return slopes_along(line(d, judged.weights), scale_of(d, judged.weights),
                      [&](std::size_t k, const LineSlope& s) {
                        // Where f does not move at all, and is not said to, roundings are no matter.
                        const bool equal = s.value == judged.analytic[k];
                        return verdict(judged.analytic[k], judged.floor[k], s, equal ? 100 : 1);
                      });
}

void Comparison::judge(const Direction& d, const Judged& judged, std::vector<Wrong>& wrong) {
  const LineSlopes found = slopes(d, judged);
  compared += std::ssize(judged.analytic);
  for (std::size_t k = 0; k < judged.analytic.size(); ++k) {
    const double analytic = judged.analytic[k];
    const LineSlope& s = found.best[k];
    const double size = std::max({std::abs(analytic), std::abs(s.value), judged.floor[k]});
    const double relative = !(size <= 0) ? std::abs(analytic - s.value) / size : 0;
    const bool agrees = found.verdict[k] == Verdict::agrees ||
                        (found.verdict[k] == Verdict::undecided &&
                         verdict(analytic, judged.floor[k], s, 100) == Verdict::agrees);
    if (!(relative <= worst)) worst = std::isnan(relative) ? HUGE_VAL : relative;
    if (agrees) continue;
    wrong.push_back({.direction = d, .analytic = analytic, .numeric = s, .relative = relative});
    if (judged.weights.empty())
      wrong.back().output = static_cast<Index>(k);
    else
      wrong.back().weights = judged.weights[k];
  }
}

// Derivatives that would move f by a millionth of what it is, here or a step away, cannot be told
// from 0 to seven digits.
double Comparison::floor_of(std::size_t input) {
  if (floors_.empty()) floors_.assign(problem_.inputs().size(), -1);
  double& floor = floors_[input];
  if (floor >= 0) return floor;
  const Problem::Input& in = problem_.inputs()[input];
  const Direction d{.input = input, .element = -1, .numbers = Numbers(in.at.size(), in.scale)};
  Numbers near;
  const double there = line(d, {})(0x1p-5, near) ? largest_finite(near) : 0;
  return floor = 1e-6 * std::max(largest_finite(base_), there) / in.scale;
}

Numbers Comparison::random_weights() {
  Numbers w(base_.size());
  for (double& v : w) v = (rng_.uniform() < 0.5 ? -1 : 1) * (0.5 + rng_.uniform());
  return w;
}

// Every element moves, by 0.5 to 1.5 of what is typical; by so few bits that x + t·d is exact.
Direction Comparison::random_direction(std::size_t input) {
  const Problem::Input& in = problem_.inputs()[input];
  Direction d{.input = input, .element = -1, .numbers = Numbers(in.at.size())};
  const double unit = std::exp2(std::round(std::log2(in.scale)) - 10);
  for (double& v : d.numbers) {
    const auto size = static_cast<double>(512 + rng_.below(1025));
    v = (rng_.uniform() < 0.5 ? -unit : unit) * size;
  }
  return d;
}

void Comparison::check_whole(std::size_t input) {
  const Index size = std::ssize(problem_.inputs()[input].at);
  double most = 0;
  for (const auto& row : rows_) most = std::max(most, largest_finite(row[input]));
  const double floor = std::max(1e-2 * most, floor_of(input));
  std::vector<Wrong> wrong;
  Index columns = 0;
  Index wrong_columns = 0;
  for (Index j = 0; j < size && wrong_columns < most_wrong; ++j) {
    Judged judged{.weights = {}, .floor = Numbers(base_.size(), floor)};
    for (const auto& row : rows_)
      judged.analytic.push_back(row[input][static_cast<std::size_t>(j)]);
    const std::size_t before = wrong.size();
    judge({.input = input, .element = j}, judged, wrong);
    ++columns;
    wrong_columns += wrong.size() > before ? 1 : 0;
  }
  if (wrong.empty()) return check_grain(input);
  const auto worse = [](const Wrong& a, const Wrong& b) {
    return !std::isnan(a.relative) && (std::isnan(b.relative) || a.relative < b.relative);
  };
  const auto worst_one = std::max_element(wrong.begin(), wrong.end(), worse);
  findings.push_back(finding(*worst_one, std::ssize(wrong), columns * std::ssize(base_)));
  soften(findings.back(), wrong);
}

void Comparison::check_sampled(std::size_t input) {
  const Index size = std::ssize(problem_.inputs()[input].at);
  ++sampled;
  double most = 0;
  for (const auto& g : weighted_) most = std::max(most, largest_finite(g[input]));
  std::vector<Wrong> wrong;
  Index judged_numbers = 0;
  for (Index number = 0; number < options_.directions + options_.rows && wrong.empty(); ++number) {
    const bool dense = number < options_.directions;
    const Direction d =
        dense ? random_direction(input) : Direction{.input = input, .element = rng_.below(size)};
    Judged judged{.weights = weights_};
    for (const auto& g : weighted_) {
      const Numbers& gradient = g[input];
      if (!dense) {
        judged.analytic.push_back(gradient[static_cast<std::size_t>(d.element)]);
        judged.floor.push_back(std::max(1e-2 * most, floor_of(input)));
        continue;
      }
      long double total = 0;
      double squares = 0;
      for (std::size_t j = 0; j < gradient.size(); ++j) {
        const double part = gradient[j] * d.numbers[j];
        total += part;
        squares += part * part;
      }
      judged.analytic.push_back(static_cast<double>(total));
      judged.floor.push_back(std::max(std::sqrt(squares), 1e-6 * largest_finite(base_)));
    }
    judge(d, judged, wrong);
    judged_numbers += std::ssize(judged.analytic);
  }
  if (wrong.empty()) return;
  Wrong worst_one =
      *std::max_element(wrong.begin(), wrong.end(),
                        [](const Wrong& a, const Wrong& b) { return a.relative < b.relative; });
  narrow(worst_one);
  narrow_output(worst_one);
  findings.push_back(finding(worst_one, std::ssize(wrong), judged_numbers));
}

void Comparison::run() {
  if (!problem_.evaluate(base_)) return;  // the caller has seen to this
  const auto outputs = std::ssize(base_);
  if (outputs == 0) return;
  bool some_whole = false;
  std::vector<bool> whole;
  for (const Problem::Input& input : problem_.inputs()) {
    whole.push_back(options_.all || outputs * std::ssize(input.at) <= options_.entries);
    some_whole = some_whole || whole.back();
  }
  if (some_whole) {
    std::vector<Numbers> units(base_.size(), Numbers(base_.size(), 0.0));
    for (std::size_t k = 0; k < units.size(); ++k) units[k][k] = 1;
    rows_ = problem_.products(units);
  }
  if (std::find(whole.begin(), whole.end(), false) != whole.end()) {
    for (Index m = 0; m < (outputs == 1 ? 1 : options_.directions); ++m)
      weights_.push_back(random_weights());
    for (Index m = 0; m < (outputs == 1 ? 0 : options_.rows); ++m) {
      weights_.emplace_back(base_.size(), 0.0);
      weights_.back()[static_cast<std::size_t>(rng_.below(outputs))] = 1;
    }
    weighted_ = problem_.products(weights_);
  }
  for (std::size_t i = 0; i < problem_.inputs().size(); ++i) {
    if (problem_.inputs()[i].at.empty()) continue;
    if (whole[i])
      check_whole(i);
    else
      check_sampled(i);
    if (progress)
      progress(static_cast<double>(i + 1) / static_cast<double>(problem_.inputs().size()));
  }
}

Numbers Comparison::weights_of(const Wrong& wrong) const {
  if (!wrong.weights.empty()) return wrong.weights;
  Numbers w(base_.size(), 0.0);
  w[static_cast<std::size_t>(wrong.output)] = 1;
  return w;
}

// Σ w·f along a part of a direction: how wrong it is, and what to say of it.
Comparison::Wrong Comparison::part_of(const Wrong& whole, const Numbers& w, const Numbers& gradient,
                                      std::size_t from, std::size_t to) {
  const Numbers& numbers = whole.direction.numbers;
  Wrong part;
  part.weights = w;
  part.direction.input = whole.direction.input;
  double squares = 0;
  long double total = 0;
  if (to - from == 1) {
    part.direction.element = static_cast<Index>(from);
    total = gradient[from];
    squares = gradient[from] * gradient[from];
  } else {
    part.direction.numbers.assign(numbers.size(), 0.0);
    for (std::size_t j = from; j < to; ++j) {
      part.direction.numbers[j] = numbers[j];
      total += gradient[j] * numbers[j];
      squares += gradient[j] * numbers[j] * gradient[j] * numbers[j];
    }
  }
  part.analytic = static_cast<double>(total);
  const Judged judged{
      .weights = {&w, 1}, .analytic = {part.analytic}, .floor = {std::sqrt(squares)}};
  std::vector<Wrong> bad;
  const Index before = compared;
  judge(part.direction, judged, bad);
  compared = before;
  if (bad.empty()) return part;  // with an infinite error of the difference
  part.numeric = bad.front().numeric;
  part.relative = bad.front().relative;
  const double apart = std::abs(part.analytic - part.numeric.value);
  part.apart = std::isnan(apart) ? HUGE_VAL
               : to - from == 1  ? apart * std::abs(numbers[from])
                                 : apart;
  return part;
}

// The half that is more wrong, again and again, until one element is left.
void Comparison::narrow(Wrong& wrong) {
  if (wrong.direction.element >= 0) return;
  const Wrong whole = wrong;
  const Numbers w = weights_of(wrong);
  const Numbers gradient = problem_.products({&w, 1}).front()[whole.direction.input];
  std::size_t from = 0;
  std::size_t to = gradient.size();
  while (to - from > 1) {
    const std::size_t middle = from + (to - from) / 2;
    Wrong first = part_of(whole, w, gradient, from, middle);
    Wrong second = part_of(whole, w, gradient, middle, to);
    if (first.apart < 0 && second.apart < 0) return;
    if (first.apart >= second.apart) {
      to = middle;
      wrong = std::move(first);
    } else {
      from = middle;
      wrong = std::move(second);
    }
  }
}

void Comparison::narrow_output(Wrong& wrong) {
  if (wrong.weights.empty() || wrong.direction.element < 0) return;
  const std::size_t input = wrong.direction.input;
  const auto element = static_cast<std::size_t>(wrong.direction.element);
  if (base_.size() == 1) {
    wrong.analytic /= wrong.weights[0];
    wrong.numeric.value /= wrong.weights[0];
    wrong.numeric.error /= std::abs(wrong.weights[0]);
    wrong.weights.clear();
    wrong.output = 0;
    return;
  }
  const LineSlopes column = slopes_along(
      line(wrong.direction, {}), scale_of(wrong.direction, {}),
      [&](std::size_t, const LineSlope& s) {
        return s.error <= 1e-8 * std::abs(s.value) ? Verdict::agrees : Verdict::undecided;
      });
  std::size_t from = 0;
  std::size_t to = base_.size();
  while (to - from > 1) {
    const std::size_t middle = from + (to - from) / 2;
    std::vector<Numbers> halves(2, Numbers(base_.size(), 0.0));
    for (std::size_t k = from; k < to; ++k) halves[k < middle ? 0 : 1][k] = wrong.weights[k];
    const auto analytic = problem_.products(halves);
    double apart[2];
    for (std::size_t half = 0; half < 2; ++half) {
      long double numeric = 0;
      for (std::size_t k = from; k < to; ++k)
        if (halves[half][k] != 0) numeric += halves[half][k] * column.best[k].value;
      apart[half] = std::abs(analytic[half][input][element] - static_cast<double>(numeric));
    }
    if (apart[0] >= apart[1])
      to = middle;
    else
      from = middle;
  }
  Numbers unit(base_.size(), 0.0);
  unit[from] = 1;
  wrong.analytic = problem_.products({&unit, 1}).front()[input][element];
  wrong.numeric = column.best[from];
  wrong.weights.clear();
  wrong.output = static_cast<Index>(from);
  const double size = std::max(std::abs(wrong.analytic), std::abs(wrong.numeric.value));
  wrong.relative = !(size <= 0) ? std::abs(wrong.analytic - wrong.numeric.value) / size : 0;
}

}  // namespace unroll::detail
