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

NumericGradient numeric_gradient(const Function& f, std::span<const Tensor> inputs,
                                 std::size_t which, const Tensor& w, double h) {
  std::vector<Tensor> point(inputs.begin(), inputs.end());
  const Tensor x = contiguous(detach(inputs[which]));
  const auto at_rest = values(x);
  std::vector<double> gradient(at_rest.size());
  NumericGradient result;
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    const auto slope = [&](double step) {
      const double up = at_rest[i] + step;
      const double down = at_rest[i] - step;
      point[which] = with_element(x, static_cast<Index>(i), up);
      const double above = weighted(f(point), w);
      point[which] = with_element(x, static_cast<Index>(i), down);
      return (above - weighted(f(point), w)) / (up - down);
    };
    const double d1 = slope(h);
    const double d2 = slope(h / 2);
    const double d4 = slope(h / 4);
    const double e1 = (4 * d2 - d1) / 3;
    const double e2 = (4 * d4 - d2) / 3;
    gradient[i] = (16 * e2 - e1) / 15;
    result.error = std::max(result.error, std::abs(gradient[i] - e2));
  }
  result.gradient = from(std::span<const double>(gradient), x.shape());
  return result;
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
