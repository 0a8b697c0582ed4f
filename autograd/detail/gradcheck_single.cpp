#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/gradcheck_session.h>
#include <unroll/autograd/error.h>

#include <algorithm>
#include <cmath>

namespace unroll::detail {
namespace {

constexpr double moved_by = 1e-5;  // relative, to see what a rounding of the inputs does

double largest(const Numbers& numbers) {
  double most = 0;
  for (const double v : numbers) most = std::max(most, std::abs(v));
  return most;
}

// A point of f32 numbers beside the one that is checked.
std::vector<Numbers> point_in_f32(const FirstOrder& first, double by, Rng& rng) {
  std::vector<Numbers> point(first.point().begin(), first.point().end());
  for (Numbers& x : point)
    for (double& v : x) v = static_cast<float>(v * (1 + (rng.uniform() < 0.5 ? -by : by)));
  return point;
}

struct Passes {
  Numbers values;
  std::vector<Numbers> gradients;
  Index nodes = 0;
};
Passes passes(const FirstOrder& first, std::span<const Numbers> point, const Numbers& w,
              bool single) {
  Recorded recorded(first.checked(), point, {.single = single});
  Passes found{.values = numbers_of(recorded.values()), .gradients = {}, .nodes = recorded.nodes()};
  const auto gradient = recorded.gradient(vector_of(w).to(recorded.values().dtype()));
  for (std::size_t i = 0; i < gradient.size(); ++i)
    found.gradients.push_back(first.numbers(gradient[i], i));
  return found;
}

struct Worst {
  std::size_t input = 0, element = 0;
  double found = 0, expected = 0, ulps = 0, allowed = 0;
};

// An element of a gradient is g_j = Σ_k u_k J_kj. It may be off by 16 ulp · √n, for each operation
// recorded and each ulp that the values are off by, of
//   s_j = Σ_k |u_k J_kj| + Σ_i |x_i ∂g_j/∂x_i|,
// where n is the number of terms that are not 0; the second sum, taken along some directions, is what
// roundings of x do to an exact rule. s_j counts as at least a sixteenth of the largest. That holds of
// one operation; of several, what is rounded between them may matter more: there another 1e-4 of the
// largest is allowed, and 16 times what moving the inputs by a rounding does in f32.
bool is_off(const Passes& exact, const Passes& single, const std::vector<Passes>& moved,
            const std::vector<Passes>& rounded, const std::vector<std::vector<Numbers>>& rows,
            const Numbers& w, const Numbers& least_sizes, Worst& worst) {
  double value_ulps = 0;
  for (std::size_t k = 0; k < exact.values.size(); ++k)
    value_ulps = std::max(value_ulps, std::abs(exact.values[k] - single.values[k]));
  value_ulps /= std::ldexp(std::max(largest(exact.values), 1e-300), -23);
  const double each = 16 * (static_cast<double>(std::max<Index>(1, exact.nodes)) + value_ulps);
  bool off = false;
  for (std::size_t i = 0; i < exact.gradients.size(); ++i) {
    const Numbers& g = exact.gradients[i];
    Numbers size(g.size(), rows.empty() ? largest(g) : 0.0);
    Numbers terms(g.size(), 0.0);
    for (std::size_t k = 0; k < rows.size(); ++k)
      for (std::size_t j = 0; j < g.size(); ++j) {
        const double part = std::abs(w[k] * rows[k][i][j]);
        size[j] += part;
        terms[j] += part != 0 ? 1 : 0;
      }
    for (std::size_t j = 0; j < g.size(); ++j) {
      double condition = 0;
      for (const Passes& m : moved)
        condition = std::max(condition, std::abs(m.gradients[i][j] - g[j]) / moved_by);
      size[j] += condition;
    }
    const double least = std::max({largest(size) / 16, least_sizes[i], 0x1p-120});
    double other = 0;
    for (const Passes& r : rounded)
      for (std::size_t j = 0; j < g.size(); ++j)
        other = std::max(other, 16 * std::abs(r.gradients[i][j] - single.gradients[i][j]));
    if (!rounded.empty()) other += 1e-4 * (largest(g) + 10 * least_sizes[i]);
    for (std::size_t j = 0; j < g.size(); ++j) {
      const double ulp = std::ldexp(std::max(size[j], least), -23);
      const double apart = std::abs(single.gradients[i][j] - g[j]);
      const double allowed = each * std::sqrt(std::max(1.0, terms[j]));
      if (apart == 0 || apart <= allowed * ulp + other) continue;
      off = true;
      if (apart / ulp <= worst.ulps) continue;
      worst = {i, j, single.gradients[i][j], g[j], apart / ulp, allowed};
    }
  }
  return off;
}

}  // namespace

// At two points, so that a decision that rounding turns, as between equals of a maximum, does not
// count.
void Gradcheck::check_single(const Numbers& weights) {
  for (const Problem::Input& input : first_.inputs())
    if (input.is_parameter) return;
  Numbers w = weights;
  for (double& v : w) v = static_cast<float>(v);
  Rng rng = Rng(options_.seed).split("single precision");
  Worst worst;
  Numbers least_sizes;
  for (std::size_t i = 0; i < first_.inputs().size(); ++i) least_sizes.push_back(0.1 * least(i));
  Index elements = 0;
  for (const Problem::Input& input : first_.inputs()) elements += std::ssize(input.at);
  const bool small = elements * std::ssize(base_) <= options_.entries;
  for (const double by : {0.0, 1e-3}) {
    const auto point = point_in_f32(first_, by, rng);
    std::vector<std::vector<Numbers>> rows;
    try {
      const Passes exact = passes(first_, point, w, false);
      const Passes single = passes(first_, point, w, true);
      first_.count_evaluation();
      first_.count_evaluation();
      double apart = 0;
      for (std::size_t k = 0; k < exact.values.size(); ++k)
        apart = std::max(apart, std::abs(exact.values[k] - single.values[k]));
      if (!(apart <= 1e-3 * largest(exact.values))) return;  // steep: nothing can be asked of f32
      std::vector<Passes> moved;
      for (int draw = 0; draw < 4; ++draw) {
        std::vector<Numbers> beside = point;
        for (Numbers& x : beside)
          for (double& v : x) v *= 1 + (rng.uniform() < 0.5 ? -moved_by : moved_by);
        moved.push_back(passes(first_, beside, w, false));
        first_.count_evaluation();
      }
      std::vector<Passes> rounded;
      for (int draw = 0; draw < (exact.nodes > 1 ? 4 : 0); ++draw) {
        std::vector<Numbers> beside = point;
        for (Numbers& x : beside)
          for (double& v : x)
            v = std::nextafter(static_cast<float>(v), rng.uniform() < 0.5 ? -HUGE_VALF : HUGE_VALF);
        rounded.push_back(passes(first_, beside, w, true));
        first_.count_evaluation();
      }
      if (small) {
        Recorded recorded(checked_, point);
        for (std::size_t k = 0; k < w.size(); ++k) {
          Numbers unit(w.size(), 0.0);
          unit[k] = 1;
          const auto row = recorded.gradient(vector_of(unit));
          rows.emplace_back();
          for (std::size_t i = 0; i < row.size(); ++i)
            rows.back().push_back(first_.numbers(row[i], i));
        }
      }
      worst = {};
      if (!is_off(exact, single, moved, rounded, rows, w, least_sizes, worst)) return;
    } catch (const Error&) {
      return;  // it holds tensors in f64, or refuses these numbers
    }
  }
  add("single precision", worst.input, static_cast<Index>(worst.element), worst.found,
      worst.expected, GradcheckCause::wrong_derivative, "");
  report_.findings_.back().note =
      "the gradient in f32 is " + std::to_string(static_cast<Index>(worst.ulps)) +
      " ulp off, where " + std::to_string(static_cast<Index>(worst.allowed)) +
      " are allowed; look at what the rule computes in f32";
}

}  // namespace unroll::detail
