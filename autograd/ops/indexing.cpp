#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/ops/indexing.h>
#include <unroll/autograd/ops/indexing_lanes.h>

namespace unroll {
namespace {

using detail::AlongAxis;

const RegisteredOperation gather_op{
    {.name = "gather",
     .derivative =
         [](Backward& b) {
           if (const Tensor g = b.upstream(); g.defined() && b.needs(0))
             b.add(0, scatter_add(zeros(b.input_shape(0), g.dtype()),
                                  b.attributes<AlongAxis>().axis, b.saved(0), g));
         },
     .check =
         [] {
           return Check{
               .cases = {
                   {.name = "inner axis",
                    .inputs = {{.shape = {2, 3, 4}}, {.shape = {2, 5, 3}, .ids = 3}},
                    .call = [](std::span<const Tensor> in) { return gather(in[0], 1, in[1]); }},
                   {.name = "last axis",
                    .inputs = {{.shape = {3, 4}}, {.shape = {2, 5}, .ids = 4}},
                    .call = [](std::span<const Tensor> in) { return gather(in[0], -1, in[1]); }}}};
         },
     .formula = "y[i, k] = x[i, index[i, k]]; dx = dy added where it was taken from"}};

const RegisteredOperation scatter_add_op{
    {.name = "scatter_add",
     .derivative =
         [](Backward& b) {
           const Tensor g = b.upstream();
           if (!g.defined()) return;
           if (b.needs(1)) b.add(1, gather(g, b.attributes<AlongAxis>().axis, b.saved(0)));
           b.add(0, g);
         },
     .check =
         [] {
           return Check{
               .cases = {
                   {.name = "first axis",
                    .inputs = {{.shape = {3, 4}}, {.shape = {5, 3}}, {.shape = {5, 3}, .ids = 3}},
                    .call =
                        [](std::span<const Tensor> in) {
                          return scatter_add(in[0], 0, in[2], in[1]);
                        }},
                   {.name = "last axis",
                    .inputs = {{.shape = {3, 4}}, {.shape = {2, 6}}, {.shape = {2, 6}, .ids = 4}},
                    .call = [](std::span<const Tensor> in) {
                      return scatter_add(in[0], 1, in[2], in[1]);
                    }}}};
         },
     .formula = "x[i, index[i, k]] += s[i, k]; dx = dy, ds = gather(dy)"}};

// Throws unless `index` can be that of x.
void check_index(std::string_view operation, const Tensor& x, Index axis, const Tensor& index) {
  bool fits = index.dtype() == i64 && index.rank() == x.rank();
  for (Index i = 0; fits && i < x.rank(); ++i) fits = i == axis || index.size(i) <= x.size(i);
  if (!fits)
    fail(operation, {.given = "x " + describe(x) + ", axis " + std::to_string(axis) +
                              " and index " + describe(index),
                     .needed = "an index in i64 of the same rank, nowhere longer than x but on "
                               "that axis",
                     .hint = "index_select(x, axis, ids) takes whole parts of x"});
}

// A tensor as [outer, along, inner]: where the elements begin on the outer axes, and how far from
// there on the inner ones; extents are those of `shape`.
struct Lanes {
  std::vector<Index> outer;
  std::vector<Index> inner;
  Index step = 1;  // along the axis
};
std::vector<Index> offsets(const Shape& shape, std::span<const Index> strides, Index begin,
                           Index end) {
  std::vector<Index> all{0};
  for (Index i = begin; i < end; ++i) {
    std::vector<Index> longer;
    longer.reserve(all.size() * static_cast<std::size_t>(shape[i]));
    for (const Index at : all)
      for (Index k = 0; k < shape[i]; ++k)
        longer.push_back(at + k * strides[static_cast<std::size_t>(i)]);
    all = std::move(longer);
  }
  return all;
}
Lanes lanes(const Tensor& x, const Shape& shape, Index axis) {
  return {offsets(shape, detail::strides(x), 0, axis),
          offsets(shape, detail::strides(x), axis + 1, shape.rank()),
          detail::strides(x)[static_cast<std::size_t>(axis)]};
}

}  // namespace

Tensor gather(const Tensor& x, Index axis, const Tensor& index) {
  detail::require_defined("gather", "x", x);
  detail::require_defined("gather", "index", index);
  const Index at = normalize_axis("gather", axis, x.rank());
  check_index("gather", x, at, index);
  detail::check_ids("gather", index, x.size(at), detail::axis_text(x, at));
  const Tensor ids = detail::dense_copy(index);
  Tensor y = detail::empty(index.shape(), x.dtype());
  const Lanes from = lanes(x, index.shape(), at);
  const Index along = index.size(at);
  const auto inner = std::ssize(from.inner);
  visit(x.dtype(), [&]<class T>(T) {
    const T* source = detail::data<T>(x);
    const Index* id = detail::data<Index>(ids);
    T* to = detail::data<T>(y);
    detail::for_each_lane(
        std::ssize(from.outer), along, inner, [&](Index lane, Index first, Index last) {
          const T* base = source + from.outer[static_cast<std::size_t>(lane)];
          for (Index k = 0; k < along; ++k) {
            const Index row = (lane * along + k) * inner;
            for (Index j = first; j < last; ++j)
              to[row + j] = base[id[row + j] * from.step + from.inner[static_cast<std::size_t>(j)]];
          }
        });
  });
  return detail::record(gather_op, {&x}, y, {&ids}, AlongAxis{at});
}

Tensor scatter_add(const Tensor& x, Index axis, const Tensor& index, const Tensor& source) {
  detail::require_defined("scatter_add", "x", x);
  detail::require_defined("scatter_add", "index", index);
  detail::require_defined("scatter_add", "source", source);
  const Index at = normalize_axis("scatter_add", axis, x.rank());
  check_index("scatter_add", x, at, index);
  detail::check_source("scatter_add", x, source, index.shape());
  detail::check_ids("scatter_add", index, x.size(at), detail::axis_text(x, at));
  const Tensor ids = detail::dense_copy(index);
  const Tensor from = detail::dense_copy(source);
  const Index along = index.size(at);
  const Tensor y = detail::added(x, [&]<class Sum, class T>(Sum* sum, T) {
    // Places in the dense result.
    const detail::Layout dense = detail::dense_layout(x.shape());
    const std::span<const Index> strides(dense.strides.data(), static_cast<std::size_t>(x.rank()));
    const Lanes to{offsets(index.shape(), strides, 0, at),
                   offsets(index.shape(), strides, at + 1, x.rank()),
                   strides[static_cast<std::size_t>(at)]};
    const auto inner = std::ssize(to.inner);
    const Index* id = detail::data<Index>(ids);
    const T* values = detail::data<T>(from);
    detail::for_each_lane(
        std::ssize(to.outer), along, inner, [&](Index lane, Index first, Index last) {
          Sum* base = sum + to.outer[static_cast<std::size_t>(lane)];
          for (Index k = 0; k < along; ++k) {
            const Index row = (lane * along + k) * inner;
            for (Index j = first; j < last; ++j)
              base[id[row + j] * to.step + to.inner[static_cast<std::size_t>(j)]] +=
                  values[row + j];
          }
        });
  });
  return detail::record(scatter_add_op, {&x, &source}, y, {&ids}, AlongAxis{at});
}

}  // namespace unroll
