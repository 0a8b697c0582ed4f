#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/gradient_pass.h>
#include <unroll/autograd/detail/view_layout.h>
#include <unroll/autograd/ops/views.h>

#include <algorithm>
#include <cstring>
#include <functional>

namespace unroll {

namespace detail {

// A change of layout, called where it stands: a reference to a lambda, without an allocation.
class LayoutChange {
 public:
  template <class F>
  requires(!std::same_as<F, LayoutChange>) LayoutChange(const F& f)
      : f_(&f), call_([](const void* object, const Layout& whole) {
          return (*static_cast<const F*>(object))(whole);
        }) {}
  Layout operator()(const Layout& whole) const { return call_(f_, whole); }

 private:
  const void* f_;
  Layout (*call_)(const void* object, const Layout& whole);
};

Tensor apply_view(const Operation& operation, const Tensor& x, const LayoutChange& change);
void record_view(const Operation& operation, const Tensor& x, std::span<Tensor* const> views,
                 const LayoutChange& change, Index axis, Index piece);
}  // namespace detail

namespace {

using detail::Layout;

void view_derivative(Backward& b);
Tensor place(const Tensor& pieces, const Shape& whole, const Layout& layout);
Tensor contiguous_copy(const Tensor& x);

Check view_check(std::function<Tensor(const Tensor&)> f, const Shape& shape) {
  return {.cases = {{.name = "",
                     .inputs = {{.shape = shape}},
                     .call = [f = std::move(f)](std::span<const Tensor> in) { return f(in[0]); }}}};
}

const RegisteredOperation select_op{
    {.name = "select",
     .derivative = view_derivative,
     .flow = Flow::views,
     .check =
         [] {
           return view_check([](const Tensor& x) { return select(x, 1, -2); }, {2, 3, 4});
         },
     .formula = "x at one index of an axis"}};
const RegisteredOperation slice_op{
    {.name = "slice",
     .derivative = view_derivative,
     .flow = Flow::views,
     .check =
         [] {
           return view_check(
               [](const Tensor& x) { return slice(x, {.axis = 1, .from = 1, .step = 2}); },
               {2, 5, 3});
         },
     .formula = "x[from:to:step]"}};
const RegisteredOperation split_op{{.name = "split",
                                    .derivative = view_derivative,
                                    .flow = Flow::views,
                                    .check =
                                        [] {
                                          Check check;
                                          check.cases.push_back(
                                              {.name = "pieces",
                                               .inputs = {{.shape = {3, 6}}},
                                               .call = [](std::span<const Tensor> in) {
                                                 auto pieces = split<3>(in[0], -1);
                                                 return pieces[2];
                                               }});
                                          return check;
                                        },
                                    .formula = "equal pieces of an axis"}};
const RegisteredOperation transpose_op{
    {.name = "transpose",
     .derivative = view_derivative,
     .flow = Flow::views,
     .check =
         [] {
           return view_check([](const Tensor& x) { return transpose(x, 0, -1); }, {2, 3, 4});
         },
     .formula = "two axes exchanged"}};
const RegisteredOperation reshape_op{
    {.name = "reshape",
     .derivative = view_derivative,
     .flow = Flow::views,
     .check =
         [] {
           return view_check([](const Tensor& x) { return reshape(x, {3, 8}); }, {2, 3, 4});
         },
     .formula = "the same elements in another shape"}};

void copy_derivative(Backward& b) {
  if (const Tensor g = b.upstream(); g.defined()) b.add(0, g);
}
const RegisteredOperation contiguous_op{
    {.name = "contiguous",
     .derivative = copy_derivative,
     .check =
         [] {
           return view_check([](const Tensor& x) { return contiguous(transpose(x, 0, 1)); },
                             {3, 4});
         },
     .formula = "a dense copy"}};
const RegisteredOperation expand_op{
    {.name = "expand",
     .derivative = copy_derivative,  // Backward::add sums over what was stretched
     .check =
         [] {
           return view_check([](const Tensor& x) { return expand(x, {4, 3, 2}); }, {3, 1});
         },
     .formula = "axes of extent 1 stretched; dx = Σ dy"}};

// The inverse of a view: zeros of the whole with the pieces in their place. And back.
const RegisteredOperation region_op{
    {.name = "region",
     .derivative = view_derivative,
     .flow = Flow::views,
     .check =
         [] {
           return view_check([](const Tensor& x) { return select(x, 0, 1); }, {3, 2});
         },
     .formula = "a strided region of x"}};
const RegisteredOperation place_op{
    {.name = "place",
     .derivative =
         [](Backward& b) {
           Tensor g = b.upstream();
           if (!g.defined()) return;
           const auto& layout = b.attributes<Layout>();
           Tensor piece = contiguous(g);
           b.add(0, detail::apply_view(region_op, piece, [&](const Layout&) { return layout; }));
         },
     .check =
         [] {
           return view_check(
               [](const Tensor& x) {
                 return place(x, {3, 4}, {.shape = {2, 2}, .strides = {4, 2}, .offset = 1});
               },
               {2, 2});
         },
     .formula = "zeros with x as a strided region"}};

Tensor contiguous_copy(const Tensor& x) {
  Tensor y = detail::empty_like(*x.header());
  detail::copy_elements(x, y);
  return detail::record(contiguous_op, {&x}, y);
}

Tensor place(const Tensor& pieces, const Shape& whole, const Layout& layout) {
  Tensor y = zeros(whole, pieces.dtype());
  detail::copy_elements(pieces, detail::make_view(*y.header(), layout.shape.extents(),
                                                  layout.strides, layout.offset));
  return detail::record(place_op, {&pieces}, y, {}, layout);
}

void view_derivative(Backward& b) {
  const detail::Recording& tape = b.pass().tape();
  for (Index k = 0; k < b.outputs(); ++k) {
    const Tensor g = b.upstream(k);
    if (!g.defined() || !b.needs(0)) continue;
    const Layout layout =
        detail::layout_in_parent(tape, b.node().first_output + static_cast<std::uint32_t>(k));
    if (b.differentiable()) {
      b.add(0, place(g, b.input_shape(0), layout));
      continue;
    }
    const detail::Destination to = b.destination(0);
    if (!to.accumulate) detail::fill_elements(to.buffer, 0);
    if (detail::is_dense(to.buffer))
      detail::add_elements(g, detail::make_view(*to.buffer.header(), layout.shape.extents(),
                                                layout.strides, layout.offset));
    else
      detail::add_elements(place(g, b.input_shape(0), layout), to.buffer);
  }
}

// Where the elements of `from` lie under another shape; none where they would have to be copied.
// Walks both shapes in groups of axes with equal products; within a group the source must be one
// even run.
std::optional<Layout> reshaped(const Layout& from, const Shape& shape) {
  Layout to = detail::dense_layout(shape);
  to.offset = from.offset;
  if (shape.size() == 0) return to;
  std::vector<Index> extents, strides;
  for (Index i = 0; i < from.shape.rank(); ++i) {
    if (from.shape[i] == 1) continue;
    extents.push_back(from.shape[i]);
    strides.push_back(from.strides[static_cast<std::size_t>(i)]);
  }
  std::size_t source = 0;
  Index target = 0;
  while (source < extents.size()) {
    std::size_t source_end = source + 1;
    Index target_end = target + 1;
    Index have = extents[source];
    Index want = shape[target];
    while (have != want) {
      if (have < want)
        have *= extents[source_end++];
      else
        want *= shape[target_end++];
    }
    for (std::size_t k = source; k + 1 < source_end; ++k)
      if (strides[k] != strides[k + 1] * extents[k + 1]) return std::nullopt;
    Index stride = strides[source_end - 1];
    for (Index k = target_end; k-- > target;) {
      to.strides[static_cast<std::size_t>(k)] = stride;
      stride *= shape[k];
    }
    source = source_end;
    target = target_end;
  }
  return to;
}

Layout without_axis(Layout layout, Index axis) {
  layout.shape = layout.shape.without(axis);
  std::copy(layout.strides.begin() + axis + 1, layout.strides.end(), layout.strides.begin() + axis);
  return layout;
}

}  // namespace

namespace detail {

// Applies a change of layout to the storage of x and, where it is recorded, to its places in its
// parent and in its root.
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

void split_equal(const Tensor& x, Index axis, std::span<Tensor> pieces) {
  require_defined("split", "x", x);
  const Index at = normalize_axis("split", axis, x.rank());
  const auto count = std::ssize(pieces);
  constexpr std::size_t most_pieces = 250;  // of one node
  if (pieces.size() > most_pieces) {
    const std::vector<Index> sizes(pieces.size(), x.size(at) / count);
    return split_sizes(x, sizes, axis, pieces);
  }
  const Index extent = x.size(at);
  if (extent % count != 0)
    fail("split", {.given = "x " + describe(x) + ", axis " + std::to_string(axis) + " in " +
                            std::to_string(count) + " pieces",
                   .needed = "an extent that " + std::to_string(count) + " divides",
                   .hint = "split(x, {n, m}, axis) makes pieces of unequal size"});
  const Index piece = extent / count;
  const Tensor* const input = &x;
  const bool recording = is_recording("split", {&input, 1});
  std::array<Index, Shape::max_rank> shape{};
  std::copy(extents(x).begin(), extents(x).end(), shape.begin());
  shape[static_cast<std::size_t>(at)] = piece;
  const std::span<const Index> piece_extents(shape.data(), extents(x).size());
  const Index step = piece * strides(x)[static_cast<std::size_t>(at)];
  for (Index k = 0; k < count; ++k)
    pieces[static_cast<std::size_t>(k)] =
        make_view(*x.header(), piece_extents, strides(x), k * step);
  if (!recording) return;
  std::array<Tensor*, most_pieces> outputs;
  for (std::size_t k = 0; k < pieces.size(); ++k) outputs[k] = &pieces[k];
  record_view(
      split_op, x, std::span(outputs).first(pieces.size()),
      [&](const Layout& whole) {
        Layout layout = whole;
        layout.shape = whole.shape.with(at, piece);
        return layout;
      },
      at, piece);
}

void split_sizes(const Tensor& x, std::span<const Index> sizes, Index axis,
                 std::span<Tensor> pieces) {
  require_defined("split", "x", x);
  const Index at = normalize_axis("split", axis, x.rank());
  Index total = 0;
  for (const Index size : sizes) total += size;
  if (total != x.size(at) || std::any_of(sizes.begin(), sizes.end(), [](Index n) { return n < 0; }))
    fail("split", {.given = "x " + describe(x) + ", axis " + std::to_string(axis) + " in sizes " +
                            to_string(Shape(sizes)),
                   .needed = "sizes that add up to " + std::to_string(x.size(at)),
                   .hint = {}});
  Index begin = 0;
  for (std::size_t k = 0; k < sizes.size(); begin += sizes[k], ++k)
    pieces[k] = slice(x, {.axis = at, .from = begin, .to = begin + sizes[k]});
}

}  // namespace detail

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
                   .hint = {}});
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

Tensor reshape(const Tensor& x, const Shape& shape) {
  detail::require_defined("reshape", "x", x);
  if (shape.size() != x.size())
    fail("reshape", {.given = "x " + describe(x) + " to " + to_string(shape),
                     .needed = std::to_string(x.size()) + " elements",
                     .hint = {}});
  bool fits = reshaped(detail::storage_layout(x), shape).has_value();
  const Tensor* const input = &x;
  if (fits && detail::is_recording("reshape", {&input, 1})) {
    const detail::Recording& tape = *detail::tapes.current;
    const std::uint32_t value = detail::tapes.current->history(x.header(), "reshape");
    if (detail::as_view(tape, value) != nullptr)
      fits = reshaped(detail::layout_in_root(tape, value), shape).has_value();
  }
  return detail::apply_view(reshape_op, fits ? x : contiguous_copy(x),
                            [&](const Layout& whole) { return *reshaped(whole, shape); });
}

Tensor expand(const Tensor& x, const Shape& shape) {
  detail::require_defined("expand", "x", x);
  Shape wider;
  if (!broadcast(x.shape(), shape, wider) || wider != shape)
    fail("expand", {.given = "x " + describe(x) + " to " + to_string(shape),
                    .needed = "equal extents, or 1, counted from the last axis",
                    .hint = {}});
  if (shape == x.shape()) return x;
  std::array<Index, Shape::max_rank> strides{};
  const Index shift = shape.rank() - x.rank();
  for (Index i = 0; i < x.rank(); ++i)
    strides[static_cast<std::size_t>(i + shift)] =
        x.size(i) == 1 ? 0 : detail::strides(x)[static_cast<std::size_t>(i)];
  Tensor y = detail::make_view(*x.header(), shape.extents(), strides, 0);
  return detail::record(expand_op, {&x}, y);
}

Tensor contiguous(const Tensor& x) {
  detail::require_defined("contiguous", "x", x);
  return detail::is_dense(x) ? x : contiguous_copy(x);
}

}  // namespace unroll
