#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/ops/reduce_plan.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/simd/packet.h>

#include <algorithm>

#define UNROLL_SIMD_BODY <unroll/autograd/ops/reduce_kernels.h>
#include <unroll/autograd/simd/for_each_isa.h>

namespace unroll::detail {
namespace {

constexpr Index task_elements = 32768;

template <class Loops, class T>
std::vector<double> sum_terms(const Loops& loops, const Block& b, const T* x,
                              const double* shifts) {
  const auto shift_at = [&](Index i) { return shifts == nullptr ? 0.0 : shifts[i]; };
  std::vector<double> totals(static_cast<std::size_t>(b.outer * b.inner), 0.0);
  if (totals.empty() || b.count == 0) return totals;
  if (b.inner == 1 && b.count <= task_elements) {
    parallel_for(b.outer, std::max<Index>(1, task_elements / b.count), [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i)
        totals[static_cast<std::size_t>(i)] = loops.row(x + i * b.count, b.count, shift_at(i));
    });
    return totals;
  }
  // Fixed stretches, each with sums of its own; then the stretches in order.
  const Index stretch = b.inner == 1 ? task_elements : std::max<Index>(64, task_elements / b.inner);
  const Index stretches = (b.count + stretch - 1) / stretch;
  std::vector<double> sums(static_cast<std::size_t>(b.outer * stretches * b.inner), 0.0);
  const std::vector<double> none(shifts == nullptr ? static_cast<std::size_t>(b.inner) : 0, 0.0);
  parallel_for(b.outer * stretches, 1, [&](Index begin, Index end) {
    for (Index s = begin; s < end; ++s) {
      const Index outer = s / stretches;
      const Index first = s % stretches * stretch;
      const Index n = std::min(stretch, b.count - first);
      const T* from = x + (outer * b.count + first) * b.inner;
      if (b.inner == 1)
        sums[static_cast<std::size_t>(s)] = loops.row(from, n, shift_at(outer));
      else
        loops.columns(from, n, b.inner, shifts == nullptr ? none.data() : shifts + outer * b.inner,
                      sums.data() + s * b.inner);
    }
  });
  for (Index o = 0; o < b.outer; ++o)
    for (Index s = 0; s < stretches; ++s)
      for (Index c = 0; c < b.inner; ++c)
        totals[static_cast<std::size_t>(o * b.inner + c)] +=
            sums[static_cast<std::size_t>((o * stretches + s) * b.inner + c)];
  return totals;
}

// The view of x with the kept axes first.
Tensor kept_first(const Tensor& x, const ReducePlan& plan) {
  std::array<Index, Shape::max_rank> extents{}, steps{};
  std::size_t at = 0;
  for (const bool gone : {false, true})
    for (Index i = 0; i < x.rank(); ++i) {
      if (plan.is_gone(i) != gone) continue;
      extents[at] = x.size(i);
      steps[at++] = strides(x)[static_cast<std::size_t>(i)];
    }
  return make_view(*x.header(), {extents.data(), at}, {steps.data(), at}, 0);
}

// Where each axis of x goes when the kept ones come first.
struct Order {
  std::array<Index, Shape::max_rank> axis{};  // of x, at each place
  Index kept = 0;
};
Order order_of(const ReducePlan& plan, Index rank) {
  Order order;
  Index at = 0;
  for (const bool gone : {false, true}) {
    for (Index i = 0; i < rank; ++i)
      if (plan.is_gone(i) == gone) order.axis[static_cast<std::size_t>(at++)] = i;
    if (!gone) order.kept = at;
  }
  return order;
}

}  // namespace

ReducePlan plan_reduction(std::string_view operation, const Tensor& x, const Axes* axes,
                          bool keepdim) {
  require_defined(operation, "x", x);
  ReducePlan r;
  if (axes == nullptr || axes->are_all()) {
    std::fill_n(r.gone.begin(), x.rank(), true);
  } else {
    for (const Index axis : axes->list()) {
      bool& gone = r.gone[static_cast<std::size_t>(normalize_axis(operation, axis, x.rank()))];
      if (gone)
        fail(operation, {.given = "axis " + std::to_string(axis) + " twice",
                         .needed = "each axis once",
                         .hint = {}});
      gone = true;
    }
  }
  r.kept = x.shape();
  for (Index i = 0; i < x.rank(); ++i) {
    if (!r.is_gone(i)) continue;
    r.count *= x.size(i);
    r.kept = r.kept.with(i, 1);
  }
  r.result = r.kept;
  if (!keepdim)
    for (Index i = x.rank(); i-- > 0;)
      if (r.is_gone(i)) r.result = r.result.without(i);
  return r;
}

void require_elements(std::string_view operation, const Tensor& x, const ReducePlan& plan) {
  if (plan.count == 0)
    fail(operation, {.given = "x " + describe(x) + " over no elements",
                     .needed = "at least one element",
                     .hint = {}});
}

Block block_of(const Tensor& x, const ReducePlan& plan) {
  Block b;
  Index first = x.rank();
  Index last = -1;
  for (Index i = 0; i < x.rank(); ++i) {
    if (!plan.is_gone(i) || x.size(i) == 1) continue;
    first = std::min(first, i);
    last = i;
  }
  bool neighbours = true;
  for (Index i = first; i <= last; ++i)
    neighbours = neighbours && (plan.is_gone(i) || x.size(i) == 1);
  if (neighbours) {
    b.hold = dense_copy(x);
    for (Index i = 0; i < x.rank(); ++i)
      (i < first ? b.outer : i <= last ? b.count : b.inner) *= x.size(i);
    return b;
  }
  for (Index i = 0; i < x.rank(); ++i) (plan.is_gone(i) ? b.count : b.outer) *= x.size(i);
  b.hold = dense_copy(kept_first(x, plan));
  return b;
}

Tensor dense_rows(const Tensor& x, const ReducePlan& plan) {
  const Tensor rows = dense_copy(kept_first(x, plan));
  const std::array<Index, 2> extents{plan.kept.size(), plan.count};
  const std::array<Index, 2> steps{plan.count, 1};
  return make_view(*rows.header(), extents, steps, 0);
}

Tensor to_rows(const Tensor& x, const ReducePlan& plan) {
  const Order order = order_of(plan, x.rank());
  Tensor rows = x;
  // Bring each axis to its place, from the front on; where[i] is where axis i is now.
  std::array<Index, Shape::max_rank> where{};
  for (std::size_t i = 0; i < where.size(); ++i) where[i] = static_cast<Index>(i);
  for (Index place = 0; place < x.rank(); ++place) {
    const auto wanted = static_cast<std::size_t>(order.axis[static_cast<std::size_t>(place)]);
    const Index from = where[wanted];
    if (from == place) continue;
    rows = transpose(rows, place, from);
    *std::find(where.begin(), where.end(), place) = from;
    where[wanted] = place;
  }
  return reshape(rows, {plan.kept.size(), plan.count});
}

Tensor from_rows(const Tensor& rows, const ReducePlan& plan, const Shape& shape) {
  const Order order = order_of(plan, shape.rank());
  std::array<Index, Shape::max_rank> extents{}, now{};
  for (Index place = 0; place < shape.rank(); ++place) {
    const auto at = static_cast<std::size_t>(place);
    now[at] = order.axis[at];
    extents[at] = shape[order.axis[at]];
  }
  Tensor x = reshape(
      rows, Shape(std::span<const Index>(extents.data(), static_cast<std::size_t>(shape.rank()))));
  for (Index axis = 0; axis < shape.rank(); ++axis) {
    const Index from = std::find(now.begin(), now.end(), axis) - now.begin();
    if (from == axis) continue;
    x = transpose(x, axis, from);
    std::swap(now[static_cast<std::size_t>(axis)], now[static_cast<std::size_t>(from)]);
  }
  return x;
}

Index position_in(const Shape& shape, const ReducePlan& plan, Index row, Index k) {
  Index position = 0, stride = 1;
  for (Index i = shape.rank(); i-- > 0; stride *= shape[i]) {
    Index& rest = plan.is_gone(i) ? k : row;
    position += rest % shape[i] * stride;
    rest /= shape[i];
  }
  return position;
}

std::vector<double> sum_terms(const Block& b, Term term, const double* shifts) {
  const auto which = static_cast<std::size_t>(term);
  return visit_floating(b.hold.dtype(), [&]<class T>(T) {
    const auto run = [&](const auto& loops) {
      return sum_terms(loops, b, data<T>(b.hold), shifts);
    };
    switch (simd::active_isa()) {
      case simd::Isa::avx512:
        return run(simd::avx512::term_loops<T>[which]);
      case simd::Isa::avx2:
        return run(simd::avx2::term_loops<T>[which]);
      case simd::Isa::baseline:
        break;
    }
    return run(simd::baseline::term_loops<T>[which]);
  });
}

Check reduce_check(AxesFunction f, const CheckInput& x) {
  Check check;
  const auto row = [&](std::string name, const Shape& shape, const Axes& axes, bool keepdim) {
    CheckInput input = x;
    input.shape = shape;
    check.cases.push_back(
        {.name = std::move(name), .inputs = {input}, .call = [=](std::span<const Tensor> in) {
           return f(in[0], axes, keepdim);
         }});
  };
  row("last axis", {3, 4}, -1, false);
  row("first axis", {3, 4}, 0, true);
  row("middle axis", {2, 3, 4}, 1, false);
  row("outer axes", {2, 3, 4}, {0, 2}, true);
  row("all", {3, 2}, {0, 1}, false);
  return check;
}

}  // namespace unroll::detail
