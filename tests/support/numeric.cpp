#include "support/numeric.h"

#include <algorithm>
#include <cmath>
#include <sstream>

namespace unroll::test {

std::vector<double> values(const Tensor& x) {
  const Tensor dense = contiguous(detach(x)).to(f64);
  const auto all = dense.span<double>();
  return {all.begin(), all.end()};
}

double weighted(const Tensor& y, const Tensor& w) {
  const auto a = values(y);
  const auto b = values(w);
  long double total = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    total += static_cast<long double>(a[i]) * static_cast<long double>(b[i]);
  return static_cast<double>(total);
}

Tensor with_element(const Tensor& x, Index at, double value) {
  auto all = values(x);
  all[static_cast<std::size_t>(at)] = value;
  return from(std::span<const double>(all), x.shape());
}

namespace {

// A function of one element of a point, whose copy it moves.
class Probe {
 public:
  Probe(const Function& f, std::span<const Tensor> inputs, std::size_t which)
      : f_(f), point_(inputs.begin(), inputs.end()), at_rest_(values(inputs[which])) {
    point_[which] = from(std::span<const double>(at_rest_), inputs[which].shape());
    moved_ = detail::data<double>(point_[which]);
  }
  std::size_t size() const { return at_rest_.size(); }
  // Estimates of a derivative, by `slope(above, below, distance)`.
  template <class Slope>
  void extrapolate(std::size_t i, double h, const Slope& slope) {
    for (const double step : {h, h / 2, h / 4}) {
      const double up = at_rest_[i] + step;
      const double down = at_rest_[i] - step;
      moved_[i] = up;
      const Tensor above = f_(point_);
      const auto of_above = values(above);
      moved_[i] = down;
      slope(of_above, values(f_(point_)), up - down);
    }
    moved_[i] = at_rest_[i];
  }

 private:
  const Function& f_;
  std::vector<Tensor> point_;
  std::vector<double> at_rest_;
  double* moved_ = nullptr;
};

struct Extrapolated {
  double value, error;
};
Extrapolated extrapolated(double d1, double d2, double d4) {
  const double e1 = (4 * d2 - d1) / 3;
  const double e2 = (4 * d4 - d2) / 3;
  const double value = (16 * e2 - e1) / 15;
  return {value, std::abs(value - e2)};
}

}  // namespace

NumericGradient numeric_gradient(const Function& f, std::span<const Tensor> inputs,
                                 std::size_t which, const Tensor& w, double h) {
  Probe probe(f, inputs, which);
  const auto weights = values(w);
  std::vector<double> gradient(probe.size());
  NumericGradient result;
  const auto total = [&](const std::vector<double>& y) {
    long double sum = 0;
    for (std::size_t k = 0; k < y.size(); ++k)
      sum += static_cast<long double>(y[k]) * static_cast<long double>(weights[k]);
    return static_cast<double>(sum);
  };
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    std::vector<double> d;
    probe.extrapolate(i, h, [&](const auto& above, const auto& below, double distance) {
      d.push_back((total(above) - total(below)) / distance);
    });
    const Extrapolated e = extrapolated(d[0], d[1], d[2]);
    gradient[i] = e.value;
    result.error = std::max(result.error, e.error);
  }
  result.gradient = from(std::span<const double>(gradient), inputs[which].shape());
  return result;
}

Jacobian numeric_jacobian(const Function& f, std::span<const Tensor> inputs, std::size_t which,
                          double h) {
  Probe probe(f, inputs, which);
  Jacobian jacobian{.outputs = f(inputs).size(), .inputs = static_cast<Index>(probe.size())};
  jacobian.entries.resize(static_cast<std::size_t>(jacobian.outputs * jacobian.inputs));
  for (std::size_t i = 0; i < probe.size(); ++i) {
    std::vector<std::vector<double>> d;
    probe.extrapolate(i, h, [&](const auto& above, const auto& below, double distance) {
      d.emplace_back(above.size());
      for (std::size_t k = 0; k < above.size(); ++k) d.back()[k] = (above[k] - below[k]) / distance;
    });
    for (Index k = 0; k < jacobian.outputs; ++k) {
      const auto at = static_cast<std::size_t>(k);
      const Extrapolated e = extrapolated(d[0][at], d[1][at], d[2][at]);
      jacobian.at(k, static_cast<Index>(i)) = e.value;
      jacobian.error = std::max(jacobian.error, e.error);
    }
  }
  return jacobian;
}

namespace {

template <class Estimate>
auto most_trusted(const Estimate& estimate) {
  auto best = estimate(0.02);
  for (const double h : {0.003, 0.0004}) {
    if (best.error < 1e-9) break;
    auto next = estimate(h);
    if (next.error < best.error) best = std::move(next);
  }
  return best;
}

}  // namespace

NumericGradient numeric_gradient_anywhere(const Function& f, std::span<const Tensor> inputs,
                                          std::size_t which, const Tensor& w) {
  return most_trusted([&](double h) { return numeric_gradient(f, inputs, which, w, h); });
}

Jacobian numeric_jacobian_anywhere(const Function& f, std::span<const Tensor> inputs,
                                   std::size_t which) {
  return most_trusted([&](double h) { return numeric_jacobian(f, inputs, which, h); });
}

Tensor weighted_rows(const Jacobian& jacobian, const Tensor& w, const Shape& shape) {
  const auto weights = values(w);
  std::vector<double> all(static_cast<std::size_t>(jacobian.inputs));
  for (Index j = 0; j < jacobian.inputs; ++j) {
    long double total = 0;
    for (Index k = 0; k < jacobian.outputs; ++k)
      total += static_cast<long double>(weights[static_cast<std::size_t>(k)]) *
               static_cast<long double>(jacobian.at(k, j));
    all[static_cast<std::size_t>(j)] = static_cast<double>(total);
  }
  return from(std::span<const double>(all), shape);
}

std::string disagreement(const Tensor& a, const Tensor& b, const Agreement& agreement) {
  if (a.shape() != b.shape()) return describe(a) + " and " + describe(b) + " differ in shape";
  const auto p = values(a);
  const auto q = values(b);
  double largest = 1e-2 * agreement.scale;
  for (std::size_t i = 0; i < p.size(); ++i)
    largest = std::max({largest, std::abs(p[i]), std::abs(q[i])});
  double worst = 0;
  std::size_t where = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double allowed =
        agreement.relative * std::max({std::abs(p[i]), std::abs(q[i]), 1e-2 * largest});
    const double excess = std::abs(p[i] - q[i]) / allowed;
    if (excess <= worst) continue;  // NaN gets through
    worst = std::isnan(excess) ? HUGE_VAL : excess;
    where = i;
  }
  if (worst <= 1) return {};
  std::ostringstream out;
  out.precision(17);
  out << "element " << where << " of " << describe(a) << ": " << p[where] << " and " << q[where]
      << ", " << worst << " times the relative tolerance " << agreement.relative;
  return out.str();
}

Tensor random_weights(const Shape& shape, Rng& rng, DType dtype) {
  std::vector<double> all(static_cast<std::size_t>(shape.size()));
  for (double& v : all) v = (rng.uniform() < 0.5 ? -1 : 1) * (0.4 + rng.uniform());
  return from(std::span<const double>(all), shape).to(dtype);
}

Tensor with_gaps(const Tensor& x) {
  if (x.rank() == 0) {
    const Tensor wide = concat({zeros({1}, x.dtype()), reshape(x, {1})}, 0);
    return detach(select(wide, 0, 1));
  }
  if (x.rank() >= 2 && x.size(0) > 1)
    return detach(transpose(contiguous(transpose(x, 0, -1)), 0, -1));
  const Tensor wide = stack({zeros_like(x), x}, -1);
  return detach(select(wide, -1, 1));
}

}  // namespace unroll::test
