#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/gradient_pass.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/ops/views_record.h>

#include <algorithm>

namespace unroll::detail {
namespace {

Layout layout_in_row(const Tensor& rows, Index row);
Tensor as_root(const Tensor& whole);

// What lies in a region of x and nowhere else.
const RegisteredOperation region_op{
    {.name = "region",
     .derivative = view_derivative,
     .flow = Flow::views,
     .check =
         [] {
           Check check = view_check(
               [](const Tensor& x) {
                 return region(x, {.shape = {2, 2}, .strides = {4, 2}, .offset = 1});
               },
               {3, 4});
           check.trusts_caller = true;
           return check;
         },
     .formula = "a strided region of x"}};
const RegisteredOperation place_op{
    {.name = "place",
     .derivative =
         [](Backward& b) {
           const Tensor g = b.upstream();
           if (!g.defined()) return;
           const Tensor whole = as_root(g);
           for (Index i = 0; i < b.inputs(); ++i)
             if (b.needs(i)) b.add(i, region(whole, layout_in_row(b.saved(0), i)));
         },
     .check =
         [] {
           const Layout in_middle{.shape = {2, 2}, .strides = {4, 2}, .offset = 1};
           const Layout below{.shape = {2}, .strides = {1}, .offset = 8};
           Check check = view_check(
               [=](const Tensor& x) {
                 return place({&x, 1}, {3, 4}, {&in_middle, 1});
               },
               {2, 2});
           check.cases.push_back({.name = "two that overlap",
                                  .inputs = {{.shape = {2, 2}}, {.shape = {2}}},
                                  .call = [=](std::span<const Tensor> in) {
                                    const Layout layouts[] = {in_middle, below};
                                    return place(in, {3, 4}, layouts);
                                  }});
           check.trusts_caller = true;
           return check;
         },
     .formula = "zeros with x as a strided region"}};

// Layouts as rows of whole numbers: any number of them is saved with an operation.
constexpr Index row_numbers = 2 + 2 * Shape::max_rank;

Tensor layouts_in_rows(std::span<const Layout> layouts) {
  Tensor rows = zeros({std::ssize(layouts), row_numbers}, i64);
  Index* to = data<Index>(rows);
  for (const Layout& layout : layouts) {
    to[0] = layout.shape.rank();
    to[1] = layout.offset;
    std::copy(layout.shape.begin(), layout.shape.end(), to + 2);
    std::copy(layout.strides.begin(), layout.strides.end(), to + 2 + Shape::max_rank);
    to += row_numbers;
  }
  return rows;
}

Layout layout_in_row(const Tensor& rows, Index row) {
  const Index* from = data<Index>(rows) + row * row_numbers;
  Layout layout{.shape = Shape(std::span(from + 2, static_cast<std::size_t>(from[0]))),
                .offset = from[1]};
  std::copy_n(from + 2 + Shape::max_rank, layout.strides.size(), layout.strides.begin());
  return layout;
}

// A layout counts row-major elements of what it is a region of, and of that one's root too.
Tensor as_root(const Tensor& whole) {
  return is_dense(whole) && !is_recorded_view(region_op, whole) ? whole : contiguous_copy(whole);
}

}  // namespace

Check view_check(std::function<Tensor(const Tensor&)> f, const Shape& shape) {
  return {.cases = {{.name = "",
                     .inputs = {{.shape = shape}},
                     .call = [f = std::move(f)](std::span<const Tensor> in) { return f(in[0]); }}}};
}

Tensor region(const Tensor& whole, const Layout& layout) {
  return apply_view(region_op, as_root(whole), [&](const Layout&) { return layout; });
}

bool is_recorded_view(const Operation& operation, const Tensor& x) {
  const Tensor* const input = &x;
  if (!is_recording(operation.name, {&input, 1})) return false;
  return as_view(*tapes.current, tapes.current->history(x.header(), operation.name)) != nullptr;
}

Tensor place(std::span<const Tensor> pieces, const Shape& whole, std::span<const Layout> layouts) {
  Tensor y = zeros(whole, pieces[0].dtype());
  std::vector<const Tensor*> inputs;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const Layout& layout = layouts[i];
    const auto rank = static_cast<std::size_t>(layout.shape.rank());
    add_elements(pieces[i], make_view(*y.header(), layout.shape.extents(),
                                      {layout.strides.data(), rank}, layout.offset));
    inputs.push_back(&pieces[i]);
  }
  if (!is_recording(place_op.name, inputs)) return y;
  const Tensor rows = layouts_in_rows(layouts);
  Tensor* const out = &y;
  const Tensor* const saved = &rows;
  record(place_op, inputs, {&out, 1}, {&saved, 1}, nullptr, 0);
  return y;
}

void view_derivative(Backward& b) {
  const Recording& tape = b.pass().tape();
  for (Index k = 0; k < b.outputs(); ++k) {
    const Tensor g = b.upstream(k);
    if (!g.defined() || !b.needs(0)) continue;
    const Layout layout =
        layout_in_parent(tape, b.node().first_output + static_cast<std::uint32_t>(k));
    if (b.differentiable()) {
      b.add_recorded_region(0, g, layout);
      continue;
    }
    const Destination to = b.destination(0);
    if (!to.accumulate) fill_elements(to.buffer, 0);
    if (is_dense(to.buffer))
      add_elements(
          g, make_view(*to.buffer.header(), layout.shape.extents(), layout.strides, layout.offset));
    else
      add_elements(place({&g, 1}, b.input_shape(0), {&layout, 1}), to.buffer);
  }
}

Tensor apply_view(const Operation& operation, const Tensor& x, const LayoutChange& change) {
  const Layout out = change(storage_layout(x));
  Tensor view = make_view(*x.header(), out.shape.extents(), out.strides, out.offset);
  const Tensor* const input = &x;
  if (!is_recording(operation.name, {&input, 1})) return view;
  Tensor* const output = &view;
  record_view(operation, x, {&output, 1}, change, 0, 0);
  return view;
}

void record_view(const Operation& operation, const Tensor& x, std::span<Tensor* const> views,
                 const LayoutChange& change, Index axis, Index piece) {
  Recording& tape = *tapes.current;
  const std::uint32_t parent = tape.history(x.header(), operation.name);
  const Layout dense = dense_layout(x.shape());
  const Layout in_parent = change(dense);
  // A piece further along the axis lies this much further in each of the layouts.
  const auto step_in = [&](const Layout& whole) {
    return whole.shape.rank() == 0 ? 0 : piece * whole.strides[static_cast<std::size_t>(axis)];
  };

  struct {
    ViewAttributes fixed;
    std::array<Index, 2 * Shape::max_rank> strides;
  } attributes;
  ViewAttributes& a = attributes.fixed;
  const auto rank = static_cast<std::size_t>(in_parent.shape.rank());
  a.rank = static_cast<std::uint8_t>(rank);
  a.parent_offset = in_parent.offset;
  a.parent_step = step_in(dense);
  std::copy_n(in_parent.strides.begin(), rank, attributes.strides.begin());
  std::size_t bytes = sizeof(ViewAttributes) + rank * sizeof(Index);
  const ViewAttributes* under = as_view(tape, parent);
  if (under == nullptr) {
    a.root = parent;
    a.root_offset = a.parent_offset;
    a.root_step = a.parent_step;
  } else {
    const Layout parent_in_root = layout_in_root(tape, parent);
    const Layout in_root = change(parent_in_root);
    a.parent_is_root = false;
    a.root = under->root;
    a.root_offset = in_root.offset;
    a.root_step = step_in(parent_in_root);
    std::copy_n(in_root.strides.begin(), rank,
                attributes.strides.begin() + static_cast<std::ptrdiff_t>(rank));
    bytes += rank * sizeof(Index);
  }
  const Tensor* const input = &x;
  record(operation, {&input, 1}, views, {}, &attributes, bytes);
}

}  // namespace unroll::detail
