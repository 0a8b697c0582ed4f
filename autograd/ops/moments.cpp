#include <unroll/autograd/backward.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/ops/reduce_plan.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/pointwise.h>

#include <cmath>
#include <limits>

namespace unroll {
namespace {

using detail::ReducePlan;
using detail::Term;

struct Moments {
  ReducePlan plan;
  double scale;  // 1 / (n - correction)
};

// Σ (x - mean)², for every result.
std::vector<double> squared_deviations(const Tensor& x, const ReducePlan& plan) {
  const detail::Block b = detail::block_of(x, plan);
  const auto n = static_cast<double>(plan.count);
  std::vector<double> means = detail::sum_terms(b, Term::plain);
  for (double& m : means) m /= n;
  std::vector<double> squares = detail::sum_terms(b, Term::squared, means.data());
  if (x.dtype() == f64) {
    // What the mean lost when it was rounded.
    const std::vector<double> rest = detail::sum_terms(b, Term::deviation, means.data());
    for (std::size_t i = 0; i < rest.size(); ++i) squares[i] -= rest[i] * rest[i] / n;
  }
  return squares;
}

// x - mean, not rounded to the spacing of numbers as large as the mean: of what the first
// subtraction leaves, the mean is taken once more.
Tensor centred(const Tensor& x, const ReducePlan& plan) {
  std::vector<Index> list;
  for (Index i = 0; i < x.rank(); ++i)
    if (plan.is_gone(i)) list.push_back(i);
  const auto mean_of = [&](Tensor y) {
    for (const Index axis : list) y = mean(y, axis, {.keepdim = true});
    return y;
  };
  const Tensor near = x - mean_of(detach(x));
  return near - mean_of(near);
}

void var_derivative(Backward& b) {
  const Tensor dy = b.upstream();
  if (!dy.defined()) return;
  const auto& a = b.attributes<Moments>();
  b.add(0, centred(b.saved(0), a.plan) * (reshape(dy, a.plan.kept) * (2 * a.scale)));
}

constexpr auto over_deviation = [](auto dy, auto y) { return where(y == 0.0, 0.0, dy / y); };

void stddev_derivative(Backward& b) {
  const Tensor dy = b.upstream();
  if (!dy.defined()) return;
  const auto& a = b.attributes<Moments>();
  const Tensor factor = pointwise(over_deviation, dy, b.saved(1)) * a.scale;
  b.add(0, centred(b.saved(0), a.plan) * reshape(factor, a.plan.kept));
}

template <bool root>
Tensor checked_moment(const Tensor& x, const Axes& axes, bool keepdim) {
  return root ? stddev(x, axes, {.keepdim = keepdim})
              : var(x, axes, {.correction = 0, .keepdim = keepdim});
}

const RegisteredOperation var_op{
    {.name = "var",
     .derivative = var_derivative,
     .check = [] { return detail::reduce_check(checked_moment<false>); },
     .formula = "Σ (x - mean)² / (n - c); dx = 2 (x - mean) dy / (n - c)",
     .domain = "NaN where 0 / 0, as of one element with c = 1",
     .accuracy = "two passes in double"}};
const RegisteredOperation stddev_op{
    {.name = "stddev",
     .derivative = stddev_derivative,
     .check = [] { return detail::reduce_check(checked_moment<true>, {.spaced = true}); },
     .formula = "√var; dx = (x - mean) dy / ((n - c) y), 0 where y = 0",
     .domain = "NaN where 0 / 0, as of one element with c = 1",
     .accuracy = "two passes in double"}};

Tensor moment(const Operation& operation, const Tensor& x, const Axes* axes,
              const VarOptions& options) {
  detail::require_floating(operation.name, "x", x);
  if (options.correction < 0)
    fail(operation.name, {.given = "correction " + std::to_string(options.correction),
                          .needed = "correction >= 0",
                          .hint = "{.correction = 1} for the unbiased estimate"});
  const ReducePlan plan = detail::plan_reduction(operation.name, x, axes, options.keepdim);
  Tensor y = detail::empty(plan.result, x.dtype());
  const double scale =
      1.0 / static_cast<double>(std::max<Index>(0, plan.count - options.correction));
  const bool root = &operation == &stddev_op;
  if (plan.count == 0) {
    detail::fill_elements(y, std::numeric_limits<double>::quiet_NaN());
  } else if (y.size() > 0) {
    const std::vector<double> squares = squared_deviations(x, plan);
    visit_floating(x.dtype(), [&]<class T>(T) {
      for (std::size_t i = 0; i < squares.size(); ++i) {
        // Rounding may leave less than nothing; NaN stays.
        const double variance = (squares[i] < 0 ? 0 : squares[i]) * scale;
        detail::data<T>(y)[i] = static_cast<T>(root ? std::sqrt(variance) : variance);
      }
    });
  }
  return root ? detail::record(operation, {&x}, y, {&x, &y}, Moments{plan, scale})
              : detail::record(operation, {&x}, y, {&x}, Moments{plan, scale});
}

}  // namespace

Tensor var(const Tensor& x) { return moment(var_op, x, nullptr, {}); }
Tensor var(const Tensor& x, const Axes& axes, const VarOptions& options) {
  return moment(var_op, x, &axes, options);
}
Tensor stddev(const Tensor& x) { return moment(stddev_op, x, nullptr, {}); }
Tensor stddev(const Tensor& x, const Axes& axes, const VarOptions& options) {
  return moment(stddev_op, x, &axes, options);
}

}  // namespace unroll
