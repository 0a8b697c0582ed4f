#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/join.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/ops/reduce_plan.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/parallel.h>

#include <algorithm>
#include <vector>

namespace unroll {
namespace {

using detail::ReducePlan;

Tensor columns(const Tensor& x, Index from, Index to) {
  return slice(x, {.axis = 1, .from = from, .to = to});
}

// dy times the product of all other elements of the row, without a division: pairs are multiplied
// up to one product a row; on the way back down every element gets what lies outside its pair,
// times its partner. Only products, so that zeros do no harm at any order.
Tensor times_others(const Tensor& rows, const Tensor& dy) {
  std::vector<Tensor> levels{rows};
  while (levels.back().size(1) > 1) {
    const Tensor& v = levels.back();
    const Index half = v.size(1) / 2;
    const Tensor pairs = columns(v, 0, half) * columns(v, half, 2 * half);
    levels.push_back(v.size(1) % 2 == 0 ? pairs
                                        : concat({pairs, columns(v, 2 * half, v.size(1))}, 1));
  }
  Tensor outside = dy;
  for (std::size_t level = levels.size() - 1; level-- > 0;) {
    const Tensor& v = levels[level];
    const Index half = v.size(1) / 2;
    const Tensor above = columns(outside, 0, half);
    const Tensor left = above * columns(v, half, 2 * half);
    const Tensor right = above * columns(v, 0, half);
    outside = v.size(1) % 2 == 0
                  ? concat({left, right}, 1)
                  : concat({left, right, columns(outside, half, outside.size(1))}, 1);
  }
  return outside;
}

// The same in double, from products of what is before and what is behind.
template <class T>
void times_others_row(const T* x, Index n, double dy, T* dx, std::vector<double>& behind) {
  behind.assign(static_cast<std::size_t>(n) + 1, 1.0);
  for (Index k = n; k-- > 0;)
    behind[static_cast<std::size_t>(k)] =
        behind[static_cast<std::size_t>(k) + 1] * static_cast<double>(x[k]);
  double before = dy;
  for (Index k = 0; k < n; ++k) {
    dx[k] = static_cast<T>(before * behind[static_cast<std::size_t>(k) + 1]);
    before *= static_cast<double>(x[k]);
  }
}

void prod_derivative(Backward& b) {
  const Tensor dy = b.upstream();
  const Shape shape = b.input_shape(0);
  if (!dy.defined()) return;
  const auto& plan = b.attributes<ReducePlan>();
  const Tensor x = b.saved(0);
  if (x.size() == 0) {
    b.add(0, zeros_like(x));
    return;
  }
  if (b.differentiable()) {
    const Tensor column = reshape(dy, {plan.kept.size(), 1});
    b.add(0, detail::from_rows(times_others(detail::to_rows(x, plan), column), plan, shape));
    return;
  }
  const Tensor rows = detail::dense_rows(x, plan);
  const Tensor g = detail::dense_copy(dy);
  Tensor others = detail::empty(rows.shape(), x.dtype());
  visit_floating(x.dtype(), [&]<class T>(T) {
    detail::parallel_for(g.size(), std::max<Index>(1, 8192 / plan.count),
                         [&](Index begin, Index end) {
                           std::vector<double> behind;
                           for (Index i = begin; i < end; ++i)
                             times_others_row(detail::data<T>(rows) + i * plan.count, plan.count,
                                              static_cast<double>(detail::data<T>(g)[i]),
                                              detail::data<T>(others) + i * plan.count, behind);
                         });
  });
  b.add(0, detail::from_rows(others, plan, shape));
}

const RegisteredOperation prod_op{
    {.name = "prod",
     .derivative = prod_derivative,
     .check =
         [] {
           return detail::reduce_check([](const Tensor& x, const Axes& axes, bool keepdim) {
             return prod(x, axes, {.keepdim = keepdim});
           });
         },
     .formula = "Π x; dx = dy times the product of all others, also where some are 0",
     .domain = "of nothing 1",
     .accuracy = "multiplied in double"}};

Tensor prod_over(const Tensor& x, const Axes* axes, bool keepdim) {
  detail::require_floating("prod", "x", x);
  const ReducePlan plan = detail::plan_reduction("prod", x, axes, keepdim);
  Tensor y = detail::empty(plan.result, x.dtype());
  const Tensor rows = detail::dense_rows(x, plan);
  visit_floating(x.dtype(), [&]<class T>(T) {
    const T* from = detail::data<T>(rows);
    detail::parallel_for(y.size(), std::max<Index>(1, 32768 / std::max<Index>(1, plan.count)),
                         [&](Index begin, Index end) {
                           for (Index i = begin; i < end; ++i) {
                             double product = 1;
                             for (Index k = 0; k < plan.count; ++k)
                               product *= static_cast<double>(from[i * plan.count + k]);
                             detail::data<T>(y)[i] = static_cast<T>(product);
                           }
                         });
  });
  return detail::record(prod_op, {&x}, y, {&x}, plan);
}

}  // namespace

Tensor prod(const Tensor& x) { return prod_over(x, nullptr, false); }
Tensor prod(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  return prod_over(x, &axes, options.keepdim);
}

}  // namespace unroll
