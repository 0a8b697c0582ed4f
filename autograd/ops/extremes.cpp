#include <unroll/autograd/backward.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/ops/flat.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/ops/reduce_plan.h>
#include <unroll/autograd/ops/softmax_rows.h>
#include <unroll/autograd/parallel.h>

#include <algorithm>
#include <type_traits>

namespace unroll {
namespace {

using detail::is_nan;
using detail::ReducePlan;

struct Larger {
  template <class T>
  bool operator()(T a, T b) const {
    return a > b;
  }
};
struct Smaller {
  template <class T>
  bool operator()(T a, T b) const {
    return a < b;
  }
};

// The first best element of a row, or the first NaN.
template <class Better, class T>
Index best_of_row(const T* row, Index count) {
  if constexpr (std::is_same_v<Better, Larger> && std::is_floating_point_v<T>) {
    const detail::SoftmaxRows<T>& rows = detail::softmax_rows<T>();
    const T largest = rows.max(row, count);
    if (!is_nan(largest)) return rows.find(row, count, largest);
  }
  Index at = 0;
  for (Index k = 1; k < count && !is_nan(row[at]); ++k)
    if (Better{}(row[k], row[at]) || is_nan(row[k])) at = k;
  return at;
}

template <class Better, class T>
void best_of_rows(const T* x, Index rows, Index count, Index* best) {
  detail::parallel_for(rows, std::max<Index>(1, 32768 / count), [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) best[r] = best_of_row<Better>(x + r * count, count);
  });
}

// For every result the place among the elements that it is made of.
template <class Better>
Tensor best_places(std::string_view operation, const Tensor& x, const ReducePlan& plan) {
  detail::require_elements(operation, x, plan);
  Tensor places = detail::empty(plan.result, i64);
  const Tensor rows = detail::dense_rows(x, plan);
  visit(x.dtype(), [&]<class T>(T) {
    best_of_rows<Better>(detail::data<T>(rows), places.size(), plan.count,
                         detail::data<Index>(places));
  });
  return places;
}

template <class Better>
Tensor best_over(const Operation& operation, const Tensor& x, const Axes* axes, bool keepdim) {
  const ReducePlan plan = detail::plan_reduction(operation.name, x, axes, keepdim);
  const Tensor positions = best_places<Better>(operation.name, x, plan);
  Index* p = detail::data<Index>(positions);
  for (Index i = 0; i < positions.size(); ++i) p[i] = detail::position_in(x.shape(), plan, i, p[i]);
  return detail::record(operation, {&x}, gather_flat(detach(x), positions), {&positions});
}

template <class Better>
Tensor best_position(std::string_view operation, const Tensor& x, const Axes* axes, bool keepdim) {
  return best_places<Better>(operation, x, detail::plan_reduction(operation, x, axes, keepdim));
}

// The gradient goes to the position that was found; positions count x in row-major order.
const RegisteredOperation max_op{
    {.name = "max",
     .derivative = detail::flat_derivative,
     .check =
         [] {
           return detail::reduce_check(
               [](const Tensor& x, const Axes& axes, bool keepdim) {
                 return max(x, axes, {.keepdim = keepdim});
               },
               {.spaced = true});
         },
     .formula = "max x; dx = dy at the first largest or first NaN, ±0 being equal",
     .domain = "NaN where there is one; throws for none"}};
const RegisteredOperation min_op{
    {.name = "min",
     .derivative = detail::flat_derivative,
     .check =
         [] {
           return detail::reduce_check(
               [](const Tensor& x, const Axes& axes, bool keepdim) {
                 return min(x, axes, {.keepdim = keepdim});
               },
               {.spaced = true});
         },
     .formula = "min x; dx = dy at the first smallest or first NaN, ±0 being equal",
     .domain = "NaN where there is one; throws for none"}};

}  // namespace

Tensor max(const Tensor& x) { return best_over<Larger>(max_op, x, nullptr, false); }
Tensor max(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  return best_over<Larger>(max_op, x, &axes, options.keepdim);
}
Tensor min(const Tensor& x) { return best_over<Smaller>(min_op, x, nullptr, false); }
Tensor min(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  return best_over<Smaller>(min_op, x, &axes, options.keepdim);
}

Tensor argmax(const Tensor& x) { return best_position<Larger>("argmax", x, nullptr, false); }
Tensor argmax(const Tensor& x, Index axis, const ReduceOptions& options) {
  const Axes axes(axis);
  return best_position<Larger>("argmax", x, &axes, options.keepdim);
}
Tensor argmin(const Tensor& x) { return best_position<Smaller>("argmin", x, nullptr, false); }
Tensor argmin(const Tensor& x, Index axis, const ReduceOptions& options) {
  const Axes axes(axis);
  return best_position<Smaller>("argmin", x, &axes, options.keepdim);
}

}  // namespace unroll
