#include "support/rule_case.h"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace unroll::test {

std::vector<Tensor> RuleCase::point(Rng& rng) const {
  std::vector<Tensor> all;
  for (const Draw& d : inputs) all.push_back(uniform(d.shape, d.low, d.high, rng, f64));
  return all;
}

Rule altered(const Rule& rule, Index input, const Alteration& alteration) {
  return [rule, input, alteration](const Given& given) {
    auto gradients = rule(given);
    Tensor& g = gradients[static_cast<std::size_t>(input)];
    g = alteration(g, given);
    return gradients;
  };
}

RuleCase wrong_case(std::string kind, const BaseRule& base, Index input, Rule rule,
                    GradcheckCause cause) {
  RuleCase c;
  c.kind = std::move(kind);
  c.name = base.name;
  if (base.inputs.size() > 1 && input >= 0) c.name += ", input " + std::to_string(input);
  c.inputs = base.inputs;
  c.call = MadeOperation(base.value, std::move(rule));
  c.shows = Shows::gradient;
  c.causes = {cause};
  c.input = input;
  return c;
}

RuleCase right_case(std::string kind, std::string name, Draws inputs, Value call) {
  RuleCase c;
  c.kind = std::move(kind);
  c.name = std::move(name);
  c.inputs = std::move(inputs);
  c.call = std::move(call);
  return c;
}

namespace {

using Tensors = std::vector<Tensor>;

const Rng& fixed_key() {
  static const Rng key(41);
  return key;
}

struct Asked {
  bool recorded = false;
  bool single = false;
  std::ptrdiff_t alone = -1;  // only this input is watched
  bool twice = false;         // the second of two passes over one recording
};

Tensors gradients(const RuleCase& c, const Tensors& point, const Tensor& w,
                  const Asked& asked = {}) {
  Tape tape({.training = c.training, .rng = &fixed_key()});
  const DType dtype = asked.single ? f32 : f64;
  Tensors leaves;
  for (const Tensor& x : point) {
    const bool constant = asked.alone >= 0 && asked.alone != std::ssize(leaves);
    leaves.push_back(constant ? x.to(dtype) : tape.watch(x.to(dtype)));
  }
  if (asked.alone >= 0)
    return {tape.gradient(c.call(leaves), leaves[static_cast<std::size_t>(asked.alone)],
                          {.upstream = w.to(dtype)})};
  const Tensor y = c.call(leaves);
  if (asked.twice)
    static_cast<void>(tape.gradient(y, leaves, {.upstream = w, .unreached = Unreached::zero}));
  return tape.gradient(
      y, leaves,
      {.upstream = w.to(dtype), .differentiable = asked.recorded, .unreached = Unreached::zero});
}

// Gradient of Σ v · (gradient of Σ w · y).
Tensors second_gradients(const RuleCase& c, const Tensors& point, const Tensor& w,
                         const Tensors& v) {
  Tape tape({.training = c.training, .rng = &fixed_key()});
  Tensors leaves;
  for (const Tensor& x : point) leaves.push_back(tape.watch(x));
  const auto first =
      tape.gradient(c.call(leaves), leaves,
                    {.upstream = w, .differentiable = true, .unreached = Unreached::zero});
  Tensor total = zeros({}, f64);
  for (std::size_t k = 0; k < first.size(); ++k)
    total = total + sum(first[k] * v[k] + 0.0 * leaves[k]);  // reaches all leaves
  return tape.gradient(total, leaves, {.unreached = Unreached::zero});
}

double largest(const Tensor& x) {
  double m = 0;
  for (const double v : values(x)) m = std::max(m, std::isnan(v) ? HUGE_VAL : std::abs(v));
  return m;
}
// Greatest difference beside the greatest number, or what is nothing beside `natural`.
double distance(const Tensor& a, const Tensor& b, double natural = 0) {
  const double scale = std::max({largest(a), largest(b), 1e-9 * natural, 1e-300});
  return largest(a.to(f64) - b.to(f64)) / scale;
}

// Differences in units of what was drawn, so that steps suit inputs of any size.
class Differences {
 public:
  Differences(const RuleCase& c, const Tensors& point) {
    for (std::size_t k = 0; k < point.size(); ++k) {
      const double size = std::max(std::abs(c.inputs[k].low), std::abs(c.inputs[k].high));
      units_.push_back(c.unit > 0 ? c.unit : size > 0 ? size : 1);
      scaled_.push_back(contiguous(point[k]) / units_.back());
    }
  }
  struct Found {
    Tensor gradient;
    double error;  // beside the largest entry
  };
  Found operator()(const Value& f, std::size_t which, const Tensor& w) const {
    const auto of_scaled = [&](std::span<const Tensor> in) {
      Tensors x;
      for (std::size_t k = 0; k < in.size(); ++k) x.push_back(in[k] * units_[k]);
      return f(x);
    };
    const auto found = numeric_gradient_anywhere(of_scaled, scaled_, which, w);
    return {found.gradient / units_[which],
            found.error / std::max(1e-300, largest(found.gradient))};
  }

 private:
  std::vector<double> units_;
  Tensors scaled_;
};

std::string text_of(const char* what, double found) {
  std::ostringstream out;
  out << what << " (" << found << ")";
  return out.str();
}

std::string wrong_entry(const RuleCase& c, const Tensor& analytic, const Tensor& numeric) {
  const auto a = values(analytic);
  const auto b = values(numeric);
  Index position = 0;
  for (std::size_t i = 0; i < c.index.size(); ++i)
    position = position * analytic.size(static_cast<Index>(i)) + c.index[i];
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double off = std::abs(a[i] - b[i]) / std::max(std::abs(a[i]), std::abs(b[i]));
    if (static_cast<Index>(i) == position ? !(off > 1e-6) : off > 1e-7)
      return text_of("the single entry is elsewhere", static_cast<double>(i));
  }
  return {};
}

// Whether every entry that is wrong has no gradient at all.
bool only_missing(const Tensor& analytic, const Tensor& numeric) {
  const auto a = values(analytic);
  const auto b = values(numeric);
  const double size = std::max(largest(analytic), largest(numeric));
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::abs(a[i] - b[i]) > 1e-6 * size && a[i] != 0) return false;
  return true;
}

// What distinguishes causes that claim more than being wrong.
std::string wrong_cause(GradcheckCause cause, const Tensor& analytic, const Tensor& numeric) {
  const bool none_found = largest(numeric) < 1e-9 * largest(analytic);
  const bool multiple =
      distance(analytic, 2.0 * numeric) < 1e-7 || distance(analytic, 3.0 * numeric) < 1e-7;
  if (none_found != (cause == GradcheckCause::unrelated)) return "not a matter of being unrelated";
  if (only_missing(analytic, numeric) != (cause == GradcheckCause::missing))
    return "not a matter of being missing";
  if (multiple != (cause == GradcheckCause::counted_twice)) return "not a multiple";
  return {};
}

std::string disproof_of_gradient(const RuleCase& c, const Tensors& analytic, const Tensors& point,
                                 const Tensor& w, const Value& value) {
  const Differences differences(c, point);
  for (std::size_t k = 0; k < point.size(); ++k) {
    if (point[k].size() == 0) continue;
    const auto numeric = differences(value, k, w);
    const double off = distance(analytic[k], numeric.gradient);
    const bool here =
        c.shows == Shows::gradient && (c.input < 0 || c.input == static_cast<Index>(k));
    if (!here) {
      if (off > std::max(1e-7, 30 * numeric.error) &&
          largest(analytic[k] - numeric.gradient) > 1e-9)
        return text_of("wrong where it should be right", off);
      continue;
    }
    if (!(off > std::max(1e-6, 30 * numeric.error))) return text_of("not wrong", off);
    if (!c.index.empty()) {
      if (auto text = wrong_entry(c, analytic[k], numeric.gradient); !text.empty()) return text;
    } else if (c.input >= 0) {
      if (auto text = wrong_cause(c.cause(), analytic[k], numeric.gradient); !text.empty())
        return text;
    }
  }
  return {};
}

// The greatest change of slope beside the greatest slope, from one side of the point to the other.
double bend_at_point(const Value& f, const Tensors& point, const Tensor& w) {
  double bend = 0, steepest = 1e-300;
  const double here = weighted(f(point), w);
  for (std::size_t k = 0; k < point.size(); ++k)
    for (Index i = 0; i < point[k].size(); ++i) {
      const auto at = [&](double by) {
        Tensors moved = point;
        moved[k] = with_element(point[k], i, values(point[k])[static_cast<std::size_t>(i)] + by);
        return weighted(f(moved), w);
      };
      const double h = 1e-5;
      const double right = (at(h) - here) / h;
      const double left = (here - at(-h)) / h;
      bend = std::max(bend, std::abs(right - left));
      steepest = std::max({steepest, std::abs(right), std::abs(left)});
    }
  return bend / steepest;
}

}  // namespace

std::string disproof(const RuleCase& c, std::uint64_t seed_of_values) {
  Rng rng(seed_of_values);
  const Tensors point = c.point(rng);
  const Value value = [&c](std::span<const Tensor> in) {
    Tape tape({.training = c.training, .rng = &fixed_key()});
    return detach(c.call(in));
  };
  const auto start = [&c] {
    if (c.anew) c.anew();
  };
  start();
  const Tensor y = value(point);
  const Tensor w = random_weights(y.shape(), rng);
  Tensors v;
  for (const Tensor& x : point) v.push_back(random_weights(x.shape(), rng));

  start();
  if (c.shows == Shows::repeated_value)
    return largest(value(point) - value(point)) > 1e-9 * largest(y) ? "" : "values are equal";
  if (c.shows == Shows::kink) {
    const double bend = bend_at_point(value, point, w);
    return bend > 1e-3 ? "" : text_of("no kink", bend);
  }
  const Tensors analytic = gradients(c, point, w);
  if (c.shows == Shows::repeated_gradient) {
    const Tensors again = gradients(c, point, w, {.twice = true});
    double off = 0;
    for (std::size_t k = 0; k < again.size(); ++k)
      off = std::max(off, distance(analytic[k], again[k]));
    return off > 1e-9 ? "" : "gradients are equal";
  }
  if (c.shows == Shows::precision) {
    const auto numeric = Differences(c, point)(value, 0, w);
    const bool nothing_moves = largest(numeric.gradient) == 0 && largest(analytic[0]) > 0;
    return nothing_moves || numeric.error > 1e-6 ? ""
                                                 : text_of("differences are good", numeric.error);
  }
  if (auto text = disproof_of_gradient(c, analytic, point, w, value); !text.empty()) return text;
  if (c.shows == Shows::gradient) return {};

  if (c.shows == Shows::alone) {
    const auto input = static_cast<std::size_t>(c.input);
    const Tensor alone = gradients(c, point, w, {.alone = static_cast<std::ptrdiff_t>(c.input)})[0];
    const double off = distance(alone, analytic[input]);
    return off > 1e-6 ? "" : text_of("right alone", off);
  }
  double recorded = 0, single = 0, second = 0, trusted = 1e-6;
  const Tensors rounded = map_tensors(point, [](const Tensor& x) { return x.to(f32).to(f64); });
  const Tensors of_recorded = gradients(c, point, w, {.recorded = true});
  const Tensors of_rounded = gradients(c, rounded, w.to(f32).to(f64));
  const Tensors of_single = gradients(c, rounded, w, {.single = true});
  const Tensors of_second = second_gradients(c, point, w, v);
  const Value slope = [&](std::span<const Tensor> in) {
    const Tensors at(in.begin(), in.end());
    const Tensors g = gradients(c, at, w);
    Tensor total = zeros({}, f64);
    for (std::size_t k = 0; k < g.size(); ++k) total = total + sum(g[k] * v[k]);
    return total;
  };
  const Differences differences(c, point);
  for (std::size_t k = 0; k < point.size(); ++k) {
    if (point[k].size() == 0) continue;
    const double natural = largest(y) / std::max(1e-300, largest(point[k]));
    // Where all cancels, as in Σ softmax, roundings remain: 1e-15 of the natural size is four ulp.
    recorded = std::max(recorded, distance(analytic[k], of_recorded[k], 10 * natural));
    single = std::max(single, distance(of_rounded[k], of_single[k], 1e7 * natural));
    const auto numeric = differences(slope, k, full({}, 1, f64));
    trusted = std::max(trusted, 30 * numeric.error);
    if (largest(of_second[k]) > 1e-7 || largest(numeric.gradient) > 1e-7)
      second = std::max(second, distance(of_second[k], numeric.gradient));
  }
  const auto judged = [](bool expected, double off, double right, const char* what) -> std::string {
    if (expected && !(off > std::max(1e-6, right))) return text_of("not wrong", off);
    if (!expected && !(off <= right)) return text_of(what, off);
    return {};
  };
  if (auto text = judged(c.shows == Shows::recorded_gradient, recorded, 1e-7, "wrong if recorded");
      !text.empty() || c.shows == Shows::recorded_gradient)
    return text;
  if (auto text = judged(c.shows == Shows::single_precision, single, 2e-5, "wrong in f32");
      !text.empty() || c.shows == Shows::single_precision)
    return text;
  return judged(c.second_order(), second, trusted, "wrong in second order");
}

}  // namespace unroll::test
