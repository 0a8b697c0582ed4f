#include <unroll/autograd/backward.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/ops/join.h>
#include <unroll/autograd/ops/views.h>

namespace unroll {
namespace {

struct JoinAxis {
  Index axis;
};

// A piece of the gradient that nobody else holds becomes the input's own: what flows to it later is
// added in place.
void give(Backward& b, Index input, const Tensor& piece) {
  if (!b.needs(input)) return;
  if (b.may_hand_over() && b.hand_over(input, piece)) return;
  b.add(input, piece);
}

const RegisteredOperation concat_op{
    {.name = "concat",
     .derivative =
         [](Backward& b) {
           const Tensor g = b.upstream();
           if (!g.defined()) return;
           const Index axis = b.attributes<JoinAxis>().axis;
           Index from = 0;
           for (Index i = 0; i < b.inputs(); ++i) {
             const Index extent = b.attributes_tail<JoinAxis, Index>()[i];
             if (b.needs(i))
               give(b, i, slice(g, {.axis = axis, .from = from, .to = from + extent}));
             from += extent;
           }
         },
     .check =
         [] {
           Check check;
           check.cases.push_back(
               {.name = "last axis",
                .inputs = {{.shape = {2, 3}}, {.shape = {2, 1}}, {.shape = {2, 2}}},
                .call = [](std::span<const Tensor> in) {
                  return concat({in[0], in[1], in[2]}, -1);
                }});
           check.cases.push_back({.name = "first axis",
                                  .inputs = {{.shape = {2, 3}}, {.shape = {1, 3}}},
                                  .call = [](std::span<const Tensor> in) {
                                    return concat({in[0], in[1], in[0]}, 0);
                                  }});
           return check;
         },
     .formula = "tensors one after another"}};

const RegisteredOperation stack_op{{.name = "stack",
                                    .derivative =
                                        [](Backward& b) {
                                          const Tensor g = b.upstream();
                                          if (!g.defined()) return;
                                          const Index axis = b.attributes<JoinAxis>().axis;
                                          for (Index i = b.inputs(); i-- > 0;)
                                            if (b.needs(i)) give(b, i, select(g, axis, i));
                                        },
                                    .check =
                                        [] {
                                          Check check;
                                          for (const Index axis : {0, 1, 2})
                                            check.cases.push_back(
                                                {.name = "axis " + std::to_string(axis),
                                                 .inputs = {{.shape = {2, 3}}, {.shape = {2, 3}}},
                                                 .call = [axis](std::span<const Tensor> in) {
                                                   return stack({in[0], in[1], in[0]}, axis);
                                                 }});
                                          return check;
                                        },
                                    .formula = "tensors along a new axis"}};

std::vector<const Tensor*> pointers(std::span<const Tensor> parts) {
  std::vector<const Tensor*> all;
  all.reserve(parts.size());
  for (const Tensor& part : parts) all.push_back(&part);
  return all;
}

void check_parts(std::string_view operation, std::span<const Tensor> parts) {
  if (parts.empty()) fail(operation, {.given = "no tensors", .needed = "at least one", .hint = {}});
  for (std::size_t i = 0; i < parts.size(); ++i) {
    detail::require_defined(operation, "tensor " + std::to_string(i), parts[i]);
    detail::require_same_dtype(operation, parts[0], parts[i]);
  }
}

Tensor region(const Tensor& y, const Shape& shape, Index axis, Index from) {
  return detail::make_view(*y.header(), shape.extents(), detail::strides(y),
                           from * detail::strides(y)[static_cast<std::size_t>(axis)]);
}

}  // namespace

Tensor concat(std::initializer_list<Tensor> parts, Index axis) {
  return concat(std::span<const Tensor>(parts.begin(), parts.size()), axis);
}

Tensor concat(std::span<const Tensor> parts, Index axis) {
  check_parts("concat", parts);
  const Index at = normalize_axis("concat", axis, parts[0].rank());
  constexpr std::size_t most = 8000;  // whose extents fit the attributes
  if (parts.size() > most)
    fail("concat", {.given = std::to_string(parts.size()) + " tensors",
                    .needed = "at most " + std::to_string(most),
                    .hint = "stack(parts, 0), then reshape, joins any number of equal shape"});
  std::vector<Index> attributes{at};  // JoinAxis, then the extents
  Index total = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].rank() != parts[0].rank() ||
        parts[i].shape().with(at, 0) != parts[0].shape().with(at, 0))
      fail("concat",
           {.given = "tensor 0 " + describe(parts[0]) + " and tensor " + std::to_string(i) + " " +
                     describe(parts[i]) + " on axis " + std::to_string(axis),
            .needed = "equal extents on all other axes",
            .hint = {}});
    attributes.push_back(parts[i].size(at));
    total += attributes.back();
  }
  Tensor y = detail::empty(parts[0].shape().with(at, total), parts[0].dtype());
  Index from = 0;
  for (const Tensor& part : parts) {
    detail::copy_elements(part, region(y, part.shape(), at, from));
    from += part.size(at);
  }
  Tensor* const out = &y;
  detail::record(concat_op, pointers(parts), {&out, 1}, {}, attributes.data(),
                 attributes.size() * sizeof(Index));
  return y;
}

Tensor stack(std::initializer_list<Tensor> parts, Index axis) {
  return stack(std::span<const Tensor>(parts.begin(), parts.size()), axis);
}

Tensor stack(std::span<const Tensor> parts, Index axis) {
  check_parts("stack", parts);
  const Shape one = parts[0].shape();
  const Index at = normalize_axis("stack", axis, one.rank() + 1);
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (parts[i].shape() != one)
      fail("stack", {.given = "tensor 0 " + describe(parts[0]) + " and tensor " +
                              std::to_string(i) + " " + describe(parts[i]),
                     .needed = "equal shapes",
                     .hint = {}});
  Tensor y = detail::empty(one.inserted(at, std::ssize(parts)), parts[0].dtype());
  std::array<Index, Shape::max_rank> strides{};
  std::copy(detail::strides(y).begin(), detail::strides(y).end(), strides.begin());
  const Index step = strides[static_cast<std::size_t>(at)];
  std::copy(strides.begin() + at + 1, strides.end(), strides.begin() + at);
  for (std::size_t i = 0; i < parts.size(); ++i)
    detail::copy_elements(parts[i], detail::make_view(*y.header(), one.extents(), strides,
                                                      static_cast<Index>(i) * step));
  Tensor* const out = &y;
  const JoinAxis attributes{at};
  detail::record(stack_op, pointers(parts), {&out, 1}, {}, &attributes, sizeof(attributes));
  return y;
}

namespace detail {

void Stacking::put(Index at, const Tensor& x) {
  require_defined("stack", "tensor " + std::to_string(at), x);
  if (!whole_.defined()) whole_ = empty(x.shape().inserted(0, std::ssize(parts_)), x.dtype());
  require_same_dtype("stack", whole_, x);
  const Shape one = whole_.shape().without(0);
  if (x.shape() != one)
    fail("stack", {.given = "tensors " + to_string(one) + " and, at " + std::to_string(at) + ", " +
                            describe(x),
                   .needed = "equal shapes",
                   .hint = {}});
  Tensor& part = parts_[static_cast<std::size_t>(at)];
  part = make_view(*whole_.header(), one.extents(), strides(whole_).subspan(1),
                   at * strides(whole_)[0]);
  copy_elements(x, part);
  if (x.header()->is(Header::leaf)) part = x;
  part.header()->tape = x.header()->tape;
  part.header()->value = x.header()->value;
}

Tensor Stacking::finish() const {
  Tensor y = whole_;
  Tensor* const out = &y;
  const JoinAxis attributes{0};
  record(stack_op, pointers(parts_), {&out, 1}, {}, &attributes, sizeof(attributes));
  return y;
}

}  // namespace detail
}  // namespace unroll
