#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/ops/views_record.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace unroll {
namespace {

using detail::Layout;

const RegisteredOperation reshape_op{
    {.name = "reshape",
     .derivative = detail::view_derivative,
     .flow = Flow::views,
     .check =
         [] {
           return detail::view_check([](const Tensor& x) { return reshape(x, {3, 8}); }, {2, 3, 4});
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
           return detail::view_check([](const Tensor& x) { return contiguous(transpose(x, 0, 1)); },
                                     {3, 4});
         },
     .formula = "a dense copy"}};
const RegisteredOperation expand_op{
    {.name = "expand",
     .derivative = copy_derivative,  // Backward::add sums over what was stretched
     .check =
         [] {
           return detail::view_check([](const Tensor& x) { return expand(x, {4, 3, 2}); }, {3, 1});
         },
     .formula = "axes of extent 1 stretched; dx = Σ dy"}};

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

}  // namespace

namespace detail {

Tensor contiguous_copy(const Tensor& x) {
  Tensor y = empty_like(*x.header());
  copy_elements(x, y);
  return record(contiguous_op, {&x}, y);
}

}  // namespace detail

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
  return detail::apply_view(reshape_op, fits ? x : detail::contiguous_copy(x),
                            [&](const Layout& whole) { return *reshaped(whole, shape); });
}

Tensor reshape(const Tensor& x, std::initializer_list<Index> extents) {
  const auto open = std::find(extents.begin(), extents.end(), Index{-1});
  if (open == extents.end()) return reshape(x, Shape(extents));
  detail::require_defined("reshape", "x", x);
  std::vector<Index> found(extents);
  const auto at = static_cast<std::size_t>(open - extents.begin());
  found[at] = 1;
  Index others = 0;  // their product; 0 where that leaves no extent, or any
  if (std::count(found.begin(), found.end(), Index{-1}) == 0)
    others = Shape(std::span<const Index>(found)).size();
  if (others == 0 || x.size() % others != 0) {
    std::string given = "x " + describe(x) + " to [";
    for (const Index extent : extents)
      given += (given.back() == '[' ? "" : ", ") + std::to_string(extent);
    fail("reshape",
         {.given = given + "]",
          .needed = "at most one -1, and others whose product divides " + std::to_string(x.size()),
          .hint = {}});
  }
  found[at] = x.size() / others;
  return reshape(x, Shape(std::span<const Index>(found)));
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
  return detail::is_dense(x) ? x : detail::contiguous_copy(x);
}

}  // namespace unroll
