#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/ops/reduce_plan.h>
#include <unroll/autograd/ops/softmax.h>
#include <unroll/autograd/ops/softmax_rows.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/parallel.h>

#include <cmath>
#include <limits>

namespace unroll {
namespace {

using detail::ReducePlan;

// dx = dy softmax(x), by rows; of a row of -inf the softmax is 0.
void logsumexp_derivative(Backward& b) {
  const Tensor dy = b.upstream();
  if (!dy.defined()) return;
  const auto& plan = b.attributes<ReducePlan>();
  const Tensor x = b.saved(0);
  if (x.size() == 0) {
    b.add(0, zeros_like(x));
    return;
  }
  const Tensor weights = softmax(detail::to_rows(x, plan));
  b.add(0, detail::from_rows(weights, plan, b.input_shape(0)) * reshape(dy, plan.kept));
}

const RegisteredOperation logsumexp_op{
    {.name = "logsumexp",
     .derivative = logsumexp_derivative,
     .check =
         [] {
           return detail::reduce_check([](const Tensor& x, const Axes& axes, bool keepdim) {
             return logsumexp(x, axes, {.keepdim = keepdim});
           });
         },
     .formula = "log Σ eˣ; dx = dy softmax(x)",
     .domain = "-inf where all are, with dx = 0; +inf where one is, with dx = NaN",
     .accuracy = "added in double"}};

Tensor logsumexp_over(const Tensor& x, const Axes* axes, bool keepdim) {
  detail::require_floating("logsumexp", "x", x);
  const ReducePlan plan = detail::plan_reduction("logsumexp", x, axes, keepdim);
  Tensor y = detail::empty(plan.result, x.dtype());
  const double infinity = std::numeric_limits<double>::infinity();
  if (plan.count == 0) {
    detail::fill_elements(y, -infinity);
    return detail::record(logsumexp_op, {&x}, y, {&x}, plan);
  }
  const Tensor rows = detail::dense_rows(x, plan);
  visit_floating(x.dtype(), [&]<class T>(T) {
    const T* from = detail::data<T>(rows);
    detail::parallel_for(
        y.size(), std::max<Index>(1, 8192 / plan.count), [&](Index begin, Index end) {
          for (Index i = begin; i < end; ++i) {
            const detail::LogSum s = detail::log_sum_of(from + i * plan.count, plan.count);
            // +inf - inf is NaN inside; the sum itself is +inf.
            detail::data<T>(y)[i] =
                static_cast<T>(s.shift == infinity ? infinity : s.shift + s.log_sum);
          }
        });
  });
  return detail::record(logsumexp_op, {&x}, y, {&x}, plan);
}

}  // namespace

Tensor logsumexp(const Tensor& x) { return logsumexp_over(x, nullptr, false); }
Tensor logsumexp(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  return logsumexp_over(x, &axes, options.keepdim);
}

}  // namespace unroll
