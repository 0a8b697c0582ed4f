#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/gradient_pass.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/ops/views_record.h>

#include <algorithm>

namespace unroll::detail {
namespace {

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
           if (const Tensor g = b.upstream(); g.defined())
             b.add(0, region(g, b.attributes<Layout>()));
         },
     .check =
         [] {
           Check check = view_check(
               [](const Tensor& x) {
                 return place(x, {3, 4}, {.shape = {2, 2}, .strides = {4, 2}, .offset = 1});
               },
               {2, 2});
           check.trusts_caller = true;
           return check;
         },
     .formula = "zeros with x as a strided region"}};

}  // namespace

Check view_check(std::function<Tensor(const Tensor&)> f, const Shape& shape) {
  return {.cases = {{.name = "",
                     .inputs = {{.shape = shape}},
                     .call = [f = std::move(f)](std::span<const Tensor> in) { return f(in[0]); }}}};
}

Tensor region(const Tensor& whole, const Layout& layout) {
  // The layout counts row-major elements of `whole`, in its root too: it must be the root.
  const bool alone = is_dense(whole) && !is_recorded_view(region_op, whole);
  return apply_view(region_op, alone ? whole : contiguous_copy(whole),
                    [&](const Layout&) { return layout; });
}

bool is_recorded_view(const Operation& operation, const Tensor& x) {
  const Tensor* const input = &x;
  if (!is_recording(operation.name, {&input, 1})) return false;
  return as_view(*tapes.current, tapes.current->history(x.header(), operation.name)) != nullptr;
}

Tensor place(const Tensor& pieces, const Shape& whole, const Layout& layout) {
  Tensor y = zeros(whole, pieces.dtype());
  copy_elements(pieces,
                make_view(*y.header(), layout.shape.extents(), layout.strides, layout.offset));
  return record(place_op, {&pieces}, y, {}, layout);
}

void view_derivative(Backward& b) {
  const Recording& tape = b.pass().tape();
  for (Index k = 0; k < b.outputs(); ++k) {
    const Tensor g = b.upstream(k);
    if (!g.defined() || !b.needs(0)) continue;
    const Layout layout =
        layout_in_parent(tape, b.node().first_output + static_cast<std::uint32_t>(k));
    if (b.differentiable()) {
      b.add(0, place(g, b.input_shape(0), layout));
      continue;
    }
    const Destination to = b.destination(0);
    if (!to.accumulate) fill_elements(to.buffer, 0);
    if (is_dense(to.buffer))
      add_elements(
          g, make_view(*to.buffer.header(), layout.shape.extents(), layout.strides, layout.offset));
    else
      add_elements(place(g, b.input_shape(0), layout), to.buffer);
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
