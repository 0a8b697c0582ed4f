#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/ops/indexing.h>
#include <unroll/autograd/ops/indexing_lanes.h>

namespace unroll {
namespace {

using detail::AlongAxis;

const RegisteredOperation index_select_op{
    {.name = "index_select",
     .derivative =
         [](Backward& b) {
           if (const Tensor g = b.upstream(); g.defined() && b.needs(0))
             b.add(0, index_add(zeros(b.input_shape(0), g.dtype()), b.attributes<AlongAxis>().axis,
                                b.saved(0), g));
         },
     .check =
         [] {
           return Check{.cases = {{.name = "inner axis",
                                   .inputs = {{.shape = {2, 3, 4}}, {.shape = {2, 2}, .ids = 3}},
                                   .call =
                                       [](std::span<const Tensor> in) {
                                         return index_select(in[0], 1, in[1]);
                                       }},
                                  {.name = "of a vector",
                                   .inputs = {{.shape = {3}}, {.shape = {5}, .ids = 3}},
                                   .call = [](std::span<const Tensor> in) {
                                     return index_select(in[0], in[1]);
                                   }}}};
         },
     .formula = "x at ids of an axis; dx = dy added there"}};

const RegisteredOperation index_add_op{
    {.name = "index_add",
     .derivative =
         [](Backward& b) {
           const Tensor g = b.upstream();
           if (!g.defined()) return;
           if (b.needs(1)) b.add(1, index_select(g, b.attributes<AlongAxis>().axis, b.saved(0)));
           b.add(0, g);
         },
     .check =
         [] {
           return Check{
               .cases = {
                   {.name = "last axis",
                    .inputs = {{.shape = {2, 3}}, {.shape = {2, 4}}, {.shape = {4}, .ids = 3}},
                    .call = [](std::span<const Tensor> in) {
                      return index_add(in[0], -1, in[2], in[1]);
                    }}}};
         },
     .formula = "x at ids of an axis += s; dx = dy, ds = dy at ids"}};

// The shape of the parts of x at ids of an axis.
Shape chosen_shape(const Tensor& x, Index axis, const Tensor& ids) {
  const Shape whole = x.shape();
  const Shape in_place = ids.shape();
  std::vector<Index> extents(whole.begin(), whole.begin() + axis);
  extents.insert(extents.end(), in_place.begin(), in_place.end());
  extents.insert(extents.end(), whole.begin() + axis + 1, whole.end());
  return Shape(extents);
}

void require_ids(std::string_view operation, const Tensor& ids) {
  detail::require_defined(operation, "ids", ids);
  if (ids.dtype() != i64)
    fail(
        operation,
        {.given = "ids " + describe(ids), .needed = "ids in i64", .hint = "tensor({1, 2}) is i64"});
}

// x as [outer, along, inner].
struct Blocks {
  Index outer = 1;
  Index along = 1;
  Index inner = 1;
};
Blocks blocks(const Tensor& x, Index axis) {
  Blocks all{.along = x.size(axis)};
  for (Index i = 0; i < axis; ++i) all.outer *= x.size(i);
  for (Index i = axis + 1; i < x.rank(); ++i) all.inner *= x.size(i);
  return all;
}

}  // namespace

namespace detail {

void check_source(std::string_view operation, const Tensor& x, const Tensor& source,
                  const Shape& shape) {
  require_same_dtype(operation, x, source);
  if (source.shape() != shape)
    fail(operation, {.given = "source " + describe(source) + " for x " + describe(x),
                     .needed = "a source " + to_string(shape),
                     .hint = {}});
}

std::string axis_text(const Tensor& x, Index axis) {
  return "axis " + std::to_string(axis) + " of x " + describe(x) + " has " +
         std::to_string(x.size(axis));
}

void check_ids(std::string_view operation, const Tensor& ids, Index count, const std::string& of) {
  const Tensor dense = dense_copy(ids);
  const auto list = dense.span<Index>();
  const auto bad =
      std::find_if(list.begin(), list.end(), [count](Index id) { return id < 0 || id >= count; });
  if (bad == list.end()) return;
  fail(
      operation,
      {.given = "id " + std::to_string(*bad) + " at " + index_text(bad - list.begin(), ids.shape()),
       .needed = count == 0 ? std::string("no ids") : "0 … " + std::to_string(count - 1),
       .hint = of});
}

}  // namespace detail

Tensor index_select(const Tensor& x, Index axis, const Tensor& ids) {
  detail::require_defined("index_select", "x", x);
  require_ids("index_select", ids);
  const Index at = normalize_axis("index_select", axis, x.rank());
  detail::check_ids("index_select", ids, x.size(at), detail::axis_text(x, at));
  const Tensor from = detail::dense_copy(x);
  const Tensor list = detail::dense_copy(ids);
  Tensor y = detail::empty(chosen_shape(x, at, ids), x.dtype());
  const Blocks b = blocks(x, at);
  const Index chosen = list.size();
  visit(x.dtype(), [&]<class T>(T) {
    const T* source = detail::data<T>(from);
    const Index* id = detail::data<Index>(list);
    T* to = detail::data<T>(y);
    detail::for_each_lane(b.outer, chosen, b.inner, [&](Index lane, Index first, Index last) {
      for (Index k = 0; k < chosen; ++k)
        std::copy(source + (lane * b.along + id[k]) * b.inner + first,
                  source + (lane * b.along + id[k]) * b.inner + last,
                  to + (lane * chosen + k) * b.inner + first);
    });
  });
  return detail::record(index_select_op, {&x}, y, {&list}, AlongAxis{at});
}

Tensor index_select(const Tensor& x, const Tensor& ids) { return index_select(x, 0, ids); }

Tensor index_add(const Tensor& x, Index axis, const Tensor& ids, const Tensor& source) {
  detail::require_defined("index_add", "x", x);
  detail::require_defined("index_add", "source", source);
  require_ids("index_add", ids);
  const Index at = normalize_axis("index_add", axis, x.rank());
  detail::check_source("index_add", x, source, chosen_shape(x, at, ids));
  detail::check_ids("index_add", ids, x.size(at), detail::axis_text(x, at));
  const Tensor list = detail::dense_copy(ids);
  const Tensor from = detail::dense_copy(source);
  const Blocks b = blocks(x, at);
  const Index chosen = list.size();
  const Tensor y = detail::added(x, [&]<class Sum, class T>(Sum* sum, T) {
    const Index* id = detail::data<Index>(list);
    const T* values = detail::data<T>(from);
    detail::for_each_lane(b.outer, chosen, b.inner, [&](Index lane, Index first, Index last) {
      for (Index k = 0; k < chosen; ++k) {
        Sum* to = sum + (lane * b.along + id[k]) * b.inner;
        const T* row = values + (lane * chosen + k) * b.inner;
        for (Index j = first; j < last; ++j) to[j] += row[j];
      }
    });
  });
  return detail::record(index_add_op, {&x, &source}, y, {&list}, AlongAxis{at});
}

Tensor one_hot(const Tensor& ids, Index count, DType dtype) {
  require_ids("one_hot", ids);
  if (count < 0)
    fail("one_hot", {.given = "count " + std::to_string(count), .needed = "0 or more", .hint = {}});
  detail::check_ids("one_hot", ids, count, "count is " + std::to_string(count));
  const Tensor list = detail::dense_copy(ids);
  Tensor y = zeros(ids.shape().inserted(ids.rank(), count), dtype);
  visit(dtype, [&]<class T>(T) {
    T* row = detail::data<T>(y);
    for (const Index id : list.span<Index>()) {
      row[id] = T(1);
      row += count;
    }
  });
  return y;
}

}  // namespace unroll
