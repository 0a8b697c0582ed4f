#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/ops/reduce_plan.h>
#include <unroll/autograd/ops/views.h>

#include <limits>

namespace unroll {
namespace {

using detail::plan_reduction;
using detail::ReducePlan;

Tensor reduce_sum(const Tensor& x, const ReducePlan& r, const Shape& shape, double scale) {
  Tensor y = detail::empty(shape, x.dtype());
  if (x.size() == 0) {
    detail::fill_elements(y, scale * 0.0);
    return y;
  }
  const std::vector<double> totals = detail::sum_terms(detail::block_of(x, r), detail::Term::plain);
  visit_floating(x.dtype(), [&]<class T>(T) {
    for (std::size_t i = 0; i < totals.size(); ++i)
      detail::data<T>(y)[i] = static_cast<T>(scale * totals[i]);
  });
  return y;
}

// Where the gradient of a sum goes: to every element that it was made of.
struct Spread {
  Shape kept;
  double scale;
};

void spread_gradient(Backward& b) {
  const Tensor g = b.upstream();
  if (!g.defined()) return;
  const auto& a = b.attributes<Spread>();
  const Tensor scaled = a.scale == 1.0 ? g : g * a.scale;
  b.add(0, expand(reshape(scaled, a.kept), b.input_shape(0)));
}

const RegisteredOperation sum_op{{.name = "sum",
                                  .derivative = spread_gradient,
                                  .check =
                                      [] {
                                        return detail::reduce_check(
                                            [](const Tensor& x, const Axes& axes, bool keepdim) {
                                              return sum(x, axes, {.keepdim = keepdim});
                                            });
                                      },
                                  .formula = "Σ x; dx = dy",
                                  .accuracy = "added in double"}};
const RegisteredOperation mean_op{{.name = "mean",
                                   .derivative = spread_gradient,
                                   .check =
                                       [] {
                                         return detail::reduce_check(
                                             [](const Tensor& x, const Axes& axes, bool keepdim) {
                                               return mean(x, axes, {.keepdim = keepdim});
                                             });
                                       },
                                   .formula = "Σ x / n; dx = dy / n",
                                   .domain = "of nothing NaN",
                                   .accuracy = "added in double"}};
const RegisteredOperation sum_to_op{{.name = "sum_to",
                                     .derivative =
                                         [](Backward& b) {
                                           if (const Tensor g = b.upstream(); g.defined())
                                             b.add(0, expand(g, b.input_shape(0)));
                                         },
                                     .check =
                                         [] {
                                           Check check;
                                           check.cases.push_back(
                                               {.name = "",
                                                .inputs = {{.shape = {2, 3, 4}}},
                                                .call = [](std::span<const Tensor> in) {
                                                  return sum_to(in[0], {3, 1});
                                                }});
                                           return check;
                                         },
                                     .formula = "Σ over broadcast axes; dx = dy"}};

Tensor sum_over(const Tensor& x, const Axes* axes, bool keepdim) {
  detail::require_floating("sum", "x", x);
  const ReducePlan r = plan_reduction("sum", x, axes, keepdim);
  return detail::record(sum_op, {&x}, reduce_sum(x, r, r.result, 1), {},
                        Spread{.kept = r.kept, .scale = 1});
}

Tensor mean_over(const Tensor& x, const Axes* axes, bool keepdim) {
  detail::require_floating("mean", "x", x);
  const ReducePlan r = plan_reduction("mean", x, axes, keepdim);
  const double scale =
      r.count == 0 ? std::numeric_limits<double>::quiet_NaN() : 1.0 / static_cast<double>(r.count);
  return detail::record(mean_op, {&x}, reduce_sum(x, r, r.result, scale), {},
                        Spread{.kept = r.kept, .scale = scale});
}

}  // namespace

Tensor sum(const Tensor& x) { return sum_over(x, nullptr, false); }
Tensor sum(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  return sum_over(x, &axes, options.keepdim);
}
Tensor mean(const Tensor& x) { return mean_over(x, nullptr, false); }
Tensor mean(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  return mean_over(x, &axes, options.keepdim);
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  detail::require_floating("sum_to", "x", x);
  if (x.shape() == shape) return x;
  Shape wider;
  if (!broadcast(x.shape(), shape, wider) || wider != x.shape())
    fail("sum_to", {.given = "x " + describe(x) + " to " + to_string(shape),
                    .needed = "a shape that stretches to that of x",
                    .hint = {}});
  ReducePlan r;
  const Index shift = x.rank() - shape.rank();
  for (Index i = 0; i < x.rank(); ++i)
    r.gone[static_cast<std::size_t>(i)] = i < shift || (shape[i - shift] == 1 && x.size(i) != 1);
  return detail::record(sum_to_op, {&x}, reduce_sum(x, r, shape, 1));
}

}  // namespace unroll
