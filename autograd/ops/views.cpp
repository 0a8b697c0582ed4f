#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/ops/views_record.h>

#include <algorithm>

namespace unroll {
namespace {

using detail::Layout;

const RegisteredOperation select_op{
    {.name = "select",
     .derivative = detail::view_derivative,
     .flow = Flow::views,
     .check =
         [] {
           return detail::view_check([](const Tensor& x) { return select(x, 1, -2); }, {2, 3, 4});
         },
     .formula = "x at one index of an axis"}};
const RegisteredOperation slice_op{
    {.name = "slice",
     .derivative = detail::view_derivative,
     .flow = Flow::views,
     .check =
         [] {
           return detail::view_check(
               [](const Tensor& x) { return slice(x, {.axis = 1, .from = 1, .step = 2}); },
               {2, 5, 3});
         },
     .formula = "x[from:to:step]"}};
const RegisteredOperation transpose_op{
    {.name = "transpose",
     .derivative = detail::view_derivative,
     .flow = Flow::views,
     .check =
         [] {
           return detail::view_check([](const Tensor& x) { return transpose(x, 0, -1); },
                                     {2, 3, 4});
         },
     .formula = "two axes exchanged"}};
const RegisteredOperation permute_op{{.name = "permute",
                                      .derivative = detail::view_derivative,
                                      .flow = Flow::views,
                                      .check =
                                          [] {
                                            return detail::view_check(
                                                [](const Tensor& x) {
                                                  return permute(x, {2, 0, -2});
                                                },
                                                {2, 3, 4});
                                          },
                                      .formula = "axes in another order"}};
const RegisteredOperation squeeze_op{{.name = "squeeze",
                                      .derivative = detail::view_derivative,
                                      .flow = Flow::views,
                                      .check =
                                          [] {
                                            return detail::view_check(
                                                [](const Tensor& x) {
                                                  return squeeze(x, {0, -1});
                                                },
                                                {1, 3, 1, 2, 1});
                                          },
                                      .formula = "axes of extent 1 taken away"}};
const RegisteredOperation unsqueeze_op{
    {.name = "unsqueeze",
     .derivative = detail::view_derivative,
     .flow = Flow::views,
     .check =
         [] {
           Check check =
               detail::view_check([](const Tensor& x) { return unsqueeze(x, 1); }, {3, 4});
           check.cases.push_back(
               {.name = "last",
                .inputs = {{.shape = {3, 4}}},
                .call = [](std::span<const Tensor> in) { return unsqueeze(in[0], -1); }});
           return check;
         },
     .formula = "an axis of extent 1 put in"}};
const RegisteredOperation diagonal_op{
    {.name = "diagonal",
     .derivative = detail::view_derivative,
     .flow = Flow::views,
     .check =
         [] {
           return detail::view_check(
               [](const Tensor& x) {
                 return diagonal(x, {.axis_a = 2, .axis_b = 0, .offset = -1});
               },
               {4, 2, 3});
         },
     .formula = "x[i, i + offset] of two axes, as the last axis"}};

Layout without_axis(Layout layout, Index axis) {
  layout.shape = layout.shape.without(axis);
  std::copy(layout.strides.begin() + axis + 1, layout.strides.end(), layout.strides.begin() + axis);
  return layout;
}

// The axes that stay, given as a bit for each that goes.
Tensor without_axes(const Tensor& x, unsigned gone) {
  if (gone == 0) return x;
  return detail::apply_view(squeeze_op, x, [&](const Layout& whole) {
    Layout layout = whole;
    for (Index i = whole.shape.rank(); i-- > 0;)
      if ((gone >> i & 1U) != 0) layout = without_axis(layout, i);
    return layout;
  });
}

}  // namespace

Tensor select(const Tensor& x, Index axis, Index index) {
  detail::require_defined("select", "x", x);
  const Index at = normalize_axis("select", axis, x.rank());
  const Index extent = x.size(at);
  if (index < -extent || index >= extent)
    fail("select", {.given = "index " + std::to_string(index) + " of axis " + std::to_string(axis) +
                             " of x " + describe(x),
                    .needed = std::to_string(-extent) + " … " + std::to_string(extent - 1),
                    .hint = {}});
  const Index from = index < 0 ? index + extent : index;
  return detail::apply_view(select_op, x, [&](const Layout& whole) {
    Layout layout = without_axis(whole, at);
    layout.offset += from * whole.strides[static_cast<std::size_t>(at)];
    return layout;
  });
}

Tensor slice(const Tensor& x, const SliceOptions& options) {
  detail::require_defined("slice", "x", x);
  const Index at = normalize_axis("slice", options.axis, x.rank());
  const Index extent = x.size(at);
  const auto from_front = [&](Index i) { return i < 0 ? i + extent : i; };
  const Index from = from_front(options.from);
  const Index to = options.to ? from_front(*options.to) : extent;
  if (from < 0 || to > extent || from > to || options.step <= 0)
    fail("slice", {.given = "from " + std::to_string(options.from) + " to " +
                            (options.to ? std::to_string(*options.to) : "the end") + " step " +
                            std::to_string(options.step) + " on axis " +
                            std::to_string(options.axis) + " of x " + describe(x),
                   .needed = "0 <= from <= to <= " + std::to_string(extent) + " and step > 0",
                   .hint = options.step < 0 ? "flip(x, axis) turns an axis around" : ""});
  return detail::apply_view(slice_op, x, [&](const Layout& whole) {
    Layout layout = whole;
    const auto a = static_cast<std::size_t>(at);
    layout.shape = whole.shape.with(at, (to - from + options.step - 1) / options.step);
    layout.strides[a] *= options.step;
    layout.offset += from * whole.strides[a];
    return layout;
  });
}

Tensor transpose(const Tensor& x, Index axis_a, Index axis_b) {
  detail::require_defined("transpose", "x", x);
  const Index a = normalize_axis("transpose", axis_a, x.rank());
  const Index b = normalize_axis("transpose", axis_b, x.rank());
  return detail::apply_view(transpose_op, x, [&](const Layout& whole) {
    Layout layout = whole;
    layout.shape = whole.shape.with(a, whole.shape[b]).with(b, whole.shape[a]);
    std::swap(layout.strides[static_cast<std::size_t>(a)],
              layout.strides[static_cast<std::size_t>(b)]);
    return layout;
  });
}

Tensor permute(const Tensor& x, std::span<const Index> axes) {
  detail::require_defined("permute", "x", x);
  std::array<Index, Shape::max_rank> order{};
  unsigned seen = 0;
  if (std::ssize(axes) == x.rank())
    for (std::size_t i = 0; i < axes.size(); ++i) {
      order[i] = normalize_axis("permute", axes[i], x.rank());
      seen |= 1U << order[i];
    }
  if (std::ssize(axes) != x.rank() || seen + 1 != 1U << x.rank()) {
    std::string list;
    for (const Index axis : axes) list += (list.empty() ? "" : ", ") + std::to_string(axis);
    fail("permute", {.given = "axes {" + list + "} for x " + describe(x),
                     .needed = "each of its " + std::to_string(x.rank()) + " axes once",
                     .hint = "transpose(x, 0, 1) exchanges two"});
  }
  return detail::apply_view(permute_op, x, [&](const Layout& whole) {
    Layout layout = whole;
    for (Index i = 0; i < x.rank(); ++i) {
      const Index from = order[static_cast<std::size_t>(i)];
      layout.shape = layout.shape.with(i, whole.shape[from]);
      layout.strides[static_cast<std::size_t>(i)] = whole.strides[static_cast<std::size_t>(from)];
    }
    return layout;
  });
}

Tensor permute(const Tensor& x, std::initializer_list<Index> axes) {
  return permute(x, std::span<const Index>(axes.begin(), axes.size()));
}

Tensor squeeze(const Tensor& x) {
  detail::require_defined("squeeze", "x", x);
  unsigned gone = 0;
  for (Index i = 0; i < x.rank(); ++i)
    if (x.size(i) == 1) gone |= 1U << i;
  return without_axes(x, gone);
}

Tensor squeeze(const Tensor& x, const Axes& axes) {
  detail::require_defined("squeeze", "x", x);
  unsigned gone = 0;
  for (const Index axis : axes.list()) {
    const Index at = normalize_axis("squeeze", axis, x.rank());
    if (x.size(at) != 1)
      fail("squeeze", {.given = "axis " + std::to_string(axis) + " of x " + describe(x),
                       .needed = "an axis of extent 1",
                       .hint = "select(x, axis, 0) takes one index of any axis"});
    gone |= 1U << at;
  }
  return without_axes(x, gone);
}

Tensor unsqueeze(const Tensor& x, Index axis) {
  detail::require_defined("unsqueeze", "x", x);
  const Index at = normalize_axis("unsqueeze", axis, x.rank() + 1);
  return detail::apply_view(unsqueeze_op, x, [&](const Layout& whole) {
    Layout layout = whole;
    layout.shape = whole.shape.inserted(at, 1);
    const auto a = static_cast<std::size_t>(at);
    for (auto i = static_cast<std::size_t>(whole.shape.rank()); i > a; --i)
      layout.strides[i] = whole.strides[i - 1];
    layout.strides[a] = at < whole.shape.rank() ? whole.shape[at] * whole.strides[a] : 1;
    return layout;
  });
}

Tensor diagonal(const Tensor& x, const DiagonalOptions& options) {
  detail::require_defined("diagonal", "x", x);
  const Index a = normalize_axis("diagonal", options.axis_a, x.rank());
  const Index b = normalize_axis("diagonal", options.axis_b, x.rank());
  if (a == b)
    fail("diagonal", {.given = "axes " + std::to_string(options.axis_a) + " and " +
                               std::to_string(options.axis_b) + " of x " + describe(x),
                      .needed = "two axes",
                      .hint = {}});
  const Index skip_a = std::max<Index>(0, -options.offset);
  const Index skip_b = std::max<Index>(0, options.offset);
  const Index extent = std::max<Index>(0, std::min(x.size(a) - skip_a, x.size(b) - skip_b));
  return detail::apply_view(diagonal_op, x, [&](const Layout& whole) {
    const Index step_a = whole.strides[static_cast<std::size_t>(a)];
    const Index step_b = whole.strides[static_cast<std::size_t>(b)];
    Layout layout = without_axis(without_axis(whole, std::max(a, b)), std::min(a, b));
    if (extent > 0) layout.offset += skip_a * step_a + skip_b * step_b;
    layout.strides[static_cast<std::size_t>(layout.shape.rank())] = step_a + step_b;
    layout.shape = layout.shape.inserted(layout.shape.rank(), extent);
    return layout;
  });
}

}  // namespace unroll
