#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/ops/activations.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/flat.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/parallel.h>
#include <unroll/autograd/simd/packet.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#define UNROLL_SIMD_BODY <unroll/autograd/ops/reduce_kernels.h>
#include <unroll/autograd/simd/for_each_isa.h>

namespace unroll {
namespace {

constexpr Index task_elements = 32768;

// Which axes go, and the shapes with them at extent 1 and without them.
struct Reduction {
  std::array<bool, Shape::max_rank> gone{};
  Shape kept;
  Shape result;
  Index count = 1;  // elements that make one
};

Reduction plan(std::string_view operation, const Tensor& x, const Axes* axes, bool keepdim) {
  detail::require_floating(operation, "x", x);
  Reduction r;
  if (axes == nullptr) {
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
    if (!r.gone[static_cast<std::size_t>(i)]) continue;
    r.count *= x.size(i);
    r.kept = r.kept.with(i, 1);
  }
  r.result = r.kept;
  if (!keepdim)
    for (Index i = x.rank(); i-- > 0;)
      if (r.gone[static_cast<std::size_t>(i)]) r.result = r.result.without(i);
  return r;
}

// x as [outer, count, inner] with the reduced axes in the middle; a copy where they are not
// neighbours.
struct Block {
  Tensor hold;
  Index outer = 1, count = 1, inner = 1;
};

Block block_of(const Tensor& x, const Reduction& r) {
  Block b;
  Index first = x.rank();
  Index last = -1;
  for (Index i = 0; i < x.rank(); ++i) {
    if (!r.gone[static_cast<std::size_t>(i)] || x.size(i) == 1) continue;
    first = std::min(first, i);
    last = i;
  }
  bool neighbours = true;
  for (Index i = first; i <= last; ++i)
    neighbours = neighbours && (r.gone[static_cast<std::size_t>(i)] || x.size(i) == 1);
  if (neighbours) {
    b.hold = detail::dense_copy(x);
    for (Index i = 0; i < x.rank(); ++i)
      (i < first ? b.outer : i <= last ? b.count : b.inner) *= x.size(i);
    return b;
  }
  std::array<Index, Shape::max_rank> extents{}, strides{};
  std::size_t at = 0;
  for (const bool gone : {false, true})
    for (Index i = 0; i < x.rank(); ++i) {
      if (r.gone[static_cast<std::size_t>(i)] != gone) continue;
      (gone ? b.count : b.outer) *= x.size(i);
      extents[at] = x.size(i);
      strides[at++] = detail::strides(x)[static_cast<std::size_t>(i)];
    }
  b.hold = detail::dense_copy(
      detail::make_view(*x.header(), {extents.data(), at}, {strides.data(), at}, 0));
  return b;
}

template <class T>
void sum_block(const Block& b, double scale, T* y) {
  const T* x = detail::data<T>(b.hold);
  const auto add_row =
      simd::dispatch(simd::baseline::add_row<T>, simd::avx2::add_row<T>, simd::avx512::add_row<T>);
  const auto add_columns = simd::dispatch(simd::baseline::add_columns<T>,
                                          simd::avx2::add_columns<T>, simd::avx512::add_columns<T>);
  if (b.inner == 1 && b.outer == 1) {
    // One long row: fixed pieces, then the pieces.
    std::vector<double> pieces(
        static_cast<std::size_t>((b.count + task_elements - 1) / task_elements));
    detail::parallel_for(b.count, task_elements, [&](Index begin, Index end) {
      for (Index at = begin; at < end; at += task_elements)
        pieces[static_cast<std::size_t>(at / task_elements)] =
            add_row(x + at, std::min(task_elements, end - at));
    });
    *y = static_cast<T>(scale * std::accumulate(pieces.begin(), pieces.end(), 0.0));
    return;
  }
  if (b.inner == 1) {
    detail::parallel_for(b.outer, std::max<Index>(1, task_elements / std::max<Index>(1, b.count)),
                         [&](Index begin, Index end) {
                           for (Index i = begin; i < end; ++i)
                             y[i] = static_cast<T>(scale * add_row(x + i * b.count, b.count));
                         });
    return;
  }
  // Columns: fixed stretches of rows, each with sums of its own, then the stretches in order.
  const Index stretch = std::max<Index>(64, task_elements / b.inner);
  const Index stretches = (b.count + stretch - 1) / stretch;
  std::vector<double> sums(static_cast<std::size_t>(b.outer * stretches * b.inner), 0.0);
  detail::parallel_for(b.outer * stretches, 1, [&](Index begin, Index end) {
    for (Index s = begin; s < end; ++s) {
      const Index row = s % stretches * stretch;
      add_columns(x + (s / stretches * b.count + row) * b.inner, std::min(stretch, b.count - row),
                  b.inner, b.inner, sums.data() + s * b.inner);
    }
  });
  for (Index o = 0; o < b.outer; ++o)
    for (Index c = 0; c < b.inner; ++c) {
      double total = 0;
      for (Index s = 0; s < stretches; ++s)
        total += sums[static_cast<std::size_t>((o * stretches + s) * b.inner + c)];
      y[o * b.inner + c] = static_cast<T>(scale * total);
    }
}

Tensor reduce_sum(const Tensor& x, const Reduction& r, const Shape& shape, double scale) {
  Tensor y = detail::empty(shape, x.dtype());
  if (x.size() == 0) {
    detail::fill_elements(y, scale * 0.0);
    return y;
  }
  const Block b = block_of(x, r);
  visit_floating(x.dtype(), [&]<class T>(T) { sum_block<T>(b, scale, detail::data<T>(y)); });
  return y;
}

Check reduce_check(Tensor (*f)(const Tensor&, const Axes&, const ReduceOptions&), bool spaced) {
  Check check;
  const auto row = [&](std::string name, const Shape& shape, const Axes& axes, bool keepdim) {
    check.cases.push_back(
        {.name = std::move(name),
         .inputs = {{.shape = shape, .spaced = spaced}},
         .call = [=](std::span<const Tensor> in) { return f(in[0], axes, {.keepdim = keepdim}); }});
  };
  row("last axis", {3, 4}, -1, false);
  row("first axis", {3, 4}, 0, true);
  row("middle axis", {2, 3, 4}, 1, false);
  row("outer axes", {2, 3, 4}, {0, 2}, true);
  row("all", {3, 2}, {0, 1}, false);
  return check;
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
                                  .check = [] { return reduce_check(sum, false); },
                                  .formula = "Σ x; dx = dy"}};
const RegisteredOperation mean_op{{.name = "mean",
                                   .derivative = spread_gradient,
                                   .check = [] { return reduce_check(mean, false); },
                                   .formula = "Σ x / n; dx = dy / n"}};
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

// The gradient goes to the position that was found; positions count x in row-major order.
const RegisteredOperation max_op{{.name = "max",
                                  .derivative =
                                      [](Backward& b) {
                                        if (const Tensor g = b.upstream(); g.defined())
                                          b.add(0, scatter_flat(g, b.saved(0), b.input_shape(0)));
                                      },
                                  .check = [] { return reduce_check(max, true); },
                                  .formula = "max x; dx = dy at the first largest"}};

// Row-major position in x of the first largest element (or the first NaN) for every result.
Tensor largest_positions(std::string_view operation, const Tensor& x, const Reduction& r) {
  if (r.count == 0)
    fail(operation, {.given = "x " + describe(x) + " over no elements",
                     .needed = "at least one element",
                     .hint = {}});
  // The positions themselves go through the same change of axes as x.
  const Block b = block_of(x, r);
  const Block at = block_of(reshape(arange(x.size()), x.shape()), r);
  Tensor positions = detail::empty(r.result, i64);
  visit_floating(x.dtype(), [&]<class T>(T) {
    const T* from = detail::data<T>(b.hold);
    const Index* number = detail::data<Index>(at.hold);
    Index* to = detail::data<Index>(positions);
    for (Index o = 0; o < b.outer; ++o)
      for (Index c = 0; c < b.inner; ++c) {
        const Index start = o * b.count * b.inner + c;
        Index best = start;
        for (Index k = 1; k < b.count && !std::isnan(from[best]); ++k) {
          const Index i = start + k * b.inner;
          if (from[i] > from[best] || std::isnan(from[i])) best = i;
        }
        to[o * b.inner + c] = number[best];
      }
  });
  return positions;
}

Tensor sum_over(const Tensor& x, const Axes* axes, bool keepdim) {
  const Reduction r = plan("sum", x, axes, keepdim);
  return detail::record(sum_op, {&x}, reduce_sum(x, r, r.result, 1), {},
                        Spread{.kept = r.kept, .scale = 1});
}

Tensor mean_over(const Tensor& x, const Axes* axes, bool keepdim) {
  const Reduction r = plan("mean", x, axes, keepdim);
  const double scale =
      r.count == 0 ? std::numeric_limits<double>::quiet_NaN() : 1.0 / static_cast<double>(r.count);
  return detail::record(mean_op, {&x}, reduce_sum(x, r, r.result, scale), {},
                        Spread{.kept = r.kept, .scale = scale});
}

Tensor max_over(const Tensor& x, const Axes* axes, bool keepdim) {
  const Reduction r = plan("max", x, axes, keepdim);
  const Tensor positions = largest_positions("max", x, r);
  return detail::record(max_op, {&x}, gather_flat(detach(x), positions), {&positions});
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
Tensor max(const Tensor& x) { return max_over(x, nullptr, false); }
Tensor max(const Tensor& x, const Axes& axes, const ReduceOptions& options) {
  return max_over(x, &axes, options.keepdim);
}

Tensor argmax(const Tensor& x, Index axis) {
  const Axes axes(axis);
  const Reduction r = plan("argmax", x, &axes, false);
  Tensor positions = largest_positions("argmax", x, r);
  const Index at = normalize_axis("argmax", axis, x.rank());
  Index inner = 1;
  for (Index i = at + 1; i < x.rank(); ++i) inner *= x.size(i);
  Index* p = detail::data<Index>(positions);
  for (Index i = 0; i < positions.size(); ++i) p[i] = p[i] / inner % x.size(at);
  return positions;
}

Tensor sum_to(const Tensor& x, const Shape& shape) {
  detail::require_floating("sum_to", "x", x);
  if (x.shape() == shape) return x;
  Shape wider;
  if (!broadcast(x.shape(), shape, wider) || wider != x.shape())
    fail("sum_to", {.given = "x " + describe(x) + " to " + to_string(shape),
                    .needed = "a shape that stretches to that of x",
                    .hint = {}});
  Reduction r;
  const Index shift = x.rank() - shape.rank();
  for (Index i = 0; i < x.rank(); ++i)
    r.gone[static_cast<std::size_t>(i)] = i < shift || (shape[i - shift] == 1 && x.size(i) != 1);
  return detail::record(sum_to_op, {&x}, reduce_sum(x, r, shape, 1));
}

}  // namespace unroll
