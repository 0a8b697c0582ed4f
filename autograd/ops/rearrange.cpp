#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/ops/rearrange.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/ops/views_record.h>

#include <algorithm>
#include <cmath>

namespace unroll {
namespace {

using detail::Layout;
using detail::view_check;

struct FlippedAxes {
  std::uint64_t bits;
};
Tensor flip_bits(const Tensor& x, std::uint64_t bits);

const RegisteredOperation flip_op{
    {.name = "flip",
     .derivative =
         [](Backward& b) {
           if (const Tensor g = b.upstream(); g.defined())
             b.add(0, flip_bits(g, b.attributes<FlippedAxes>().bits));
         },
     .check =
         [] {
           return view_check([](const Tensor& x) { return flip(x, {0, -1}); }, {2, 3, 4});
         },
     .formula = "axes turned around; dx = dy turned around"}};

struct Turn {
  Index shift;
  Index axis;
};
const RegisteredOperation roll_op{
    {.name = "roll",
     .derivative =
         [](Backward& b) {
           const auto& turn = b.attributes<Turn>();
           if (const Tensor g = b.upstream(); g.defined())
             b.add(0, roll(g, -turn.shift, turn.axis));
         },
     .check =
         [] {
           return view_check([](const Tensor& x) { return roll(x, -2, 1); }, {2, 5, 3});
         },
     .formula = "y[i + shift mod n] = x[i]; dx = dy rolled back"}};

const RegisteredOperation pad_op{
    {.name = "pad",
     .derivative =
         [](Backward& b) {
           if (const Tensor g = b.upstream(); g.defined())
             b.add(0, detail::region(g, b.attributes<Layout>()));
         },
     .check =
         [] {
           return view_check(
               [](const Tensor& x) {
                 return pad(x, {{.axis = 0, .before = 1}, {.axis = -1, .before = 2, .after = 1}},
                            {.value = 3});
               },
               {2, 3});
         },
     .formula = "x with a constant around it; dx = the part of dy that is x"}};

struct Triangle {
  Index diagonal;
  bool upper;
};
Tensor triangle(const Operation& operation, const Tensor& x, const Triangle& part);

template <bool upper>
Check triangle_check() {
  Check check = view_check(
      [](const Tensor& x) { return upper ? triu(x, {.diagonal = 1}) : tril(x, {.diagonal = 1}); },
      {2, 4, 3});
  check.cases.push_back(
      {.name = "wide", .inputs = {{.shape = {2, 4}}}, .call = [](std::span<const Tensor> in) {
         return upper ? triu(in[0], {.diagonal = -1}) : tril(in[0]);
       }});
  return check;
}
void triangle_derivative(Backward& b) {
  const auto& part = b.attributes<Triangle>();
  const TriangleOptions options{.diagonal = part.diagonal};
  if (const Tensor g = b.upstream(); g.defined())
    b.add(0, part.upper ? triu(g, options) : tril(g, options));
}
const RegisteredOperation tril_op{{.name = "tril",
                                   .derivative = triangle_derivative,
                                   .check = triangle_check<false>,
                                   .formula = "x where j <= i + diagonal, else 0; dx = tril(dy)"}};
const RegisteredOperation triu_op{{.name = "triu",
                                   .derivative = triangle_derivative,
                                   .check = triangle_check<true>,
                                   .formula = "x where j >= i + diagonal, else 0; dx = triu(dy)"}};

Tensor flip_bits(const Tensor& x, std::uint64_t bits) {
  Layout turned = detail::storage_layout(x);
  for (Index i = 0; i < x.rank(); ++i) {
    if ((bits >> i & 1U) == 0 || x.size(i) == 0) continue;
    Index& stride = turned.strides[static_cast<std::size_t>(i)];
    turned.offset += (x.size(i) - 1) * stride;
    stride = -stride;
  }
  Tensor y = detail::empty_like(*x.header());
  detail::copy_elements(
      detail::make_view(*x.header(), turned.shape.extents(), turned.strides, turned.offset), y);
  return detail::record(flip_op, {&x}, y, {}, FlippedAxes{bits});
}

Tensor triangle(const Operation& operation, const Tensor& x, const Triangle& part) {
  detail::require_defined(operation.name, "x", x);
  if (x.rank() < 2)
    fail(operation.name,
         {.given = "x " + describe(x), .needed = "matrices [..., M, N]", .hint = {}});
  Tensor y = detail::empty_like(*x.header());
  detail::copy_elements(x, y);
  const Index rows = x.size(-2);
  const Index columns = x.size(-1);
  visit(x.dtype(), [&]<class T>(T) {
    T* row = detail::data<T>(y);
    for (Index r = 0; columns > 0 && r < y.size() / columns; ++r, row += columns) {
      // The first column on the other side of the diagonal's lower edge.
      const Index i = r % rows;
      const Index edge = part.upper ? std::clamp<Index>(i + part.diagonal, 0, columns)
                                    : std::clamp<Index>(i + part.diagonal + 1, 0, columns);
      if (part.upper)
        std::fill(row, row + edge, T(0));
      else
        std::fill(row + edge, row + columns, T(0));
    }
  });
  return detail::record(operation, {&x}, y, {}, part);
}

}  // namespace

Tensor flip(const Tensor& x, const Axes& axes) {
  detail::require_defined("flip", "x", x);
  std::uint64_t bits = 0;
  for (const Index axis : axes.list())
    bits |= std::uint64_t{1} << normalize_axis("flip", axis, x.rank());
  return flip_bits(x, bits);
}

Tensor roll(const Tensor& x, Index shift, Index axis) {
  detail::require_defined("roll", "x", x);
  const Index at = normalize_axis("roll", axis, x.rank());
  const Index extent = x.size(at);
  const Index turn = extent == 0 ? 0 : (shift % extent + extent) % extent;
  Tensor y = detail::empty_like(*x.header());
  // The last `turn` of x come first.
  const auto part = [&](const Tensor& whole, Index from, Index count) {
    return detail::make_view(*whole.header(), x.shape().with(at, count).extents(),
                             detail::strides(whole),
                             from * detail::strides(whole)[static_cast<std::size_t>(at)]);
  };
  detail::copy_elements(part(x, extent - turn, turn), part(y, 0, turn));
  detail::copy_elements(part(x, 0, extent - turn), part(y, turn, extent - turn));
  return detail::record(roll_op, {&x}, y, {}, Turn{turn, at});
}

Tensor pad(const Tensor& x, std::span<const PadAxis> axes, const PadOptions& options) {
  detail::require_defined("pad", "x", x);
  Shape shape = x.shape();
  std::array<Index, Shape::max_rank> before{};
  for (const PadAxis& p : axes) {
    const Index at = normalize_axis("pad", p.axis, x.rank());
    if (p.before < 0 || p.after < 0)
      fail("pad", {.given = std::to_string(p.before) + " before and " + std::to_string(p.after) +
                            " after axis " + std::to_string(p.axis) + " of x " + describe(x),
                   .needed = "0 or more",
                   .hint = "slice(x, {.axis = 0, .from = 1, .to = -1}) takes away"});
    before[static_cast<std::size_t>(at)] += p.before;
    shape = shape.with(at, shape[at] + p.before + p.after);
  }
  if (x.dtype() == i64 && options.value != std::nearbyint(options.value))
    fail("pad", {.given = "value " + std::to_string(options.value) + " for x " + describe(x),
                 .needed = "a whole number",
                 .hint = {}});
  Tensor y = full(shape, options.value, x.dtype());
  Layout layout = detail::dense_layout(shape);
  layout.shape = x.shape();
  for (std::size_t i = 0; i < static_cast<std::size_t>(x.rank()); ++i)
    layout.offset += before[i] * layout.strides[i];
  detail::copy_elements(
      x, detail::make_view(*y.header(), layout.shape.extents(), layout.strides, layout.offset));
  return detail::record(pad_op, {&x}, y, {}, layout);
}

Tensor pad(const Tensor& x, std::initializer_list<PadAxis> axes, const PadOptions& options) {
  return pad(x, std::span<const PadAxis>(axes.begin(), axes.size()), options);
}

Tensor tril(const Tensor& x, const TriangleOptions& options) {
  return triangle(tril_op, x, {.diagonal = options.diagonal, .upper = false});
}

Tensor triu(const Tensor& x, const TriangleOptions& options) {
  return triangle(triu_op, x, {.diagonal = options.diagonal, .upper = true});
}

}  // namespace unroll
