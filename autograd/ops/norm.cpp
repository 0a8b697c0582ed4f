#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/flat.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/ops/reduce_plan.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/pointwise.h>

#include <cmath>
#include <limits>
#include <sstream>

namespace unroll {
namespace {

using detail::ReducePlan;
using detail::Term;

enum class Kind { absolute, euclidean, largest };

struct NormAttributes {
  ReducePlan plan;
  Kind kind;
};

// Sums of squares of f64 between these lost nothing to overflow or underflow; those of f32 all are.
constexpr double too_small = 0x1p-900;
constexpr double too_large = 0x1p+900;

// √Σ x² of elements `step` apart, each brought near 1 by a power of two.
double scaled_norm(const double* x, Index count, Index step) {
  double largest = 0;
  for (Index k = 0; k < count; ++k) {
    const double a = std::abs(x[k * step]);
    if (std::isnan(a)) return a;
    largest = std::max(largest, a);
  }
  if (largest == 0 || std::isinf(largest)) return largest;
  const int exponent = std::ilogb(largest);
  double sum = 0;
  for (Index k = 0; k < count; ++k) {
    const double v = std::scalbn(x[k * step], -exponent);
    sum += v * v;
  }
  return std::scalbn(std::sqrt(sum), exponent);
}

Tensor euclidean_norm(const Tensor& x, const ReducePlan& plan) {
  Tensor y = detail::empty(plan.result, x.dtype());
  const detail::Block b = detail::block_of(x, plan);
  const std::vector<double> squares = detail::sum_terms(b, Term::squared);
  visit_floating(x.dtype(), [&]<class T>(T) {
    for (Index o = 0; o < b.outer; ++o)
      for (Index c = 0; c < b.inner; ++c) {
        const Index i = o * b.inner + c;
        const double sum = squares[static_cast<std::size_t>(i)];
        double norm = std::sqrt(sum);
        if constexpr (sizeof(T) == 8)
          if (!(sum > too_small && sum < too_large))
            norm =
                scaled_norm(detail::data<T>(b.hold) + o * b.count * b.inner + c, b.count, b.inner);
        detail::data<T>(y)[i] = static_cast<T>(norm);
      }
  });
  return y;
}

Tensor absolute_norm(const Tensor& x, const ReducePlan& plan) {
  Tensor y = detail::empty(plan.result, x.dtype());
  const std::vector<double> sums = detail::sum_terms(detail::block_of(x, plan), Term::magnitude);
  visit_floating(x.dtype(), [&]<class T>(T) {
    for (std::size_t i = 0; i < sums.size(); ++i) detail::data<T>(y)[i] = static_cast<T>(sums[i]);
  });
  return y;
}

// -1, 0 or 1; NaN of NaN. A constant.
Tensor sign_of(const Tensor& x) {
  constexpr auto sign = [](auto v) {
    return where(v > 0.0, 1.0, where(v < 0.0, -1.0, where(v == 0.0, 0.0, v)));
  };
  return pointwise<0>(sign, detach(x));
}

constexpr auto along = [](auto dy, auto x, auto y) { return where(y == 0.0, 0.0, dy * (x / y)); };

void norm_derivative(Backward& b) {
  const Tensor dy = b.upstream();
  if (!dy.defined()) return;
  const auto& a = b.attributes<NormAttributes>();
  switch (a.kind) {
    case Kind::euclidean:
      b.add(0, pointwise(along, reshape(dy, a.plan.kept), b.saved(0),
                         reshape(b.saved(1), a.plan.kept)));
      return;
    case Kind::absolute:
      b.add(0, reshape(dy, a.plan.kept) * sign_of(b.saved(0)));
      return;
    case Kind::largest:  // saved: the element itself, and where it is
      b.add(0, scatter_flat(dy * sign_of(b.saved(0)), b.saved(1), b.input_shape(0)));
      return;
  }
}

Check norm_check() {
  Check check;
  for (const double p : {2.0, 1.0, std::numeric_limits<double>::infinity()}) {
    const auto row = [&](std::string name, const Shape& shape, const Axes& axes, bool keepdim) {
      check.cases.push_back({.name = std::move(name) + ", p " + std::to_string(p),
                             .inputs = {{.shape = shape, .low = 0.3, .spaced = true}},
                             .call = [=](std::span<const Tensor> in) {
                               return norm(in[0], axes, {.p = p, .keepdim = keepdim});
                             }});
    };
    row("last axis", {3, 4}, -1, false);
    row("outer axes", {2, 3, 4}, {0, 2}, true);
    row("first axis", {3, 4}, 0, false);
  }
  return check;
}

const RegisteredOperation norm_op{
    {.name = "norm",
     .derivative = norm_derivative,
     .check = norm_check,
     .formula =
         "√Σ x², dx = dy x / y, 0 where y = 0; Σ |x|, dx = dy sign(x), 0 at 0; max |x|, dx = "
         "dy sign(x) at the first largest",
     .domain = "NaN where one is, with dx = NaN there; dx = NaN at an infinite element of √Σ x²",
     .accuracy = "added in double; scaled, so that it is finite wherever it can be written"}};

Tensor largest_norm(const Tensor& x, const ReducePlan& plan) {
  if (plan.count == 0)  // as for the others: 0, and nowhere for a gradient to go
    return detail::record(norm_op, {&x}, zeros_like(x, plan.result), {&x},
                          NormAttributes{plan, Kind::absolute});
  constexpr auto magnitude = [](auto v) { return abs(v); };
  const Tensor rows = detail::dense_rows(x, plan);
  const Tensor at = argmax(pointwise<0>(magnitude, rows), -1);
  Tensor positions = detail::empty(plan.result, i64);
  for (Index i = 0; i < at.size(); ++i)
    detail::data<Index>(positions)[i] =
        detail::position_in(x.shape(), plan, i, detail::data<Index>(at)[i]);
  const Tensor element = gather_flat(detach(x), positions);
  return detail::record(norm_op, {&x}, pointwise<0>(magnitude, element), {&element, &positions},
                        NormAttributes{plan, Kind::largest});
}

Tensor norm_over(const Tensor& x, const Axes* axes, const NormOptions& options) {
  detail::require_floating("norm", "x", x);
  const ReducePlan plan = detail::plan_reduction("norm", x, axes, options.keepdim);
  if (options.p == std::numeric_limits<double>::infinity()) return largest_norm(x, plan);
  if (options.p == 1)
    return detail::record(norm_op, {&x}, absolute_norm(x, plan), {&x},
                          NormAttributes{plan, Kind::absolute});
  if (options.p != 2) {
    std::ostringstream given;
    given << "p = " << options.p;
    fail("norm",
         {.given = given.str(), .needed = "1, 2 or infinity", .hint = "norm(x, -1, {.p = 1})"});
  }
  const Tensor y = euclidean_norm(x, plan);
  return detail::record(norm_op, {&x}, y, {&x, &y}, NormAttributes{plan, Kind::euclidean});
}

}  // namespace

Tensor norm(const Tensor& x) { return norm_over(x, nullptr, {}); }
Tensor norm(const Tensor& x, const Axes& axes, const NormOptions& options) {
  return norm_over(x, &axes, options);
}

}  // namespace unroll
