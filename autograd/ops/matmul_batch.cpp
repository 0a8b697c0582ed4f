#include <unroll/autograd/backward.h>
#include <unroll/autograd/detail/matrix_product.h>
#include <unroll/autograd/ops/matmul.h>
#include <unroll/autograd/ops/matmul_batch.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/parallel.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace unroll {
namespace {

using detail::Matrix;

Shape leading(const Shape& shape) {
  return Shape(shape.extents().first(shape.extents().size() - 2));
}

// For each index of `batch` in row-major order, what it is among leading axes that broadcast to it:
// the sum of index · stride.
std::vector<Index> positions(const Shape& batch, const Shape& own, std::span<const Index> strides) {
  std::vector<Index> all{0};
  for (Index i = 0; i < batch.rank(); ++i) {
    const Index axis = i - (batch.rank() - own.rank());
    const Index step = axis < 0 || own[axis] == 1 ? 0 : strides[static_cast<std::size_t>(axis)];
    std::vector<Index> longer;
    longer.reserve(all.size() * static_cast<std::size_t>(batch[i]));
    for (const Index at : all)
      for (Index k = 0; k < batch[i]; ++k) longer.push_back(at + k * step);
    all = std::move(longer);
  }
  return all;
}

// The matrices of a tensor, one for each index of a batch.
struct Matrices {
  Tensor hold = {};
  Matrix first = {};
  std::vector<Index> offsets = {};  // in bytes

  Index count() const { return std::ssize(offsets); }
  Matrix operator[](Index i) const {
    Matrix m = first;
    m.data += offsets[static_cast<std::size_t>(i)];
    return m;
  }
  Matrices transposed() const {
    Matrices all = *this;
    all.first = first.transposed();
    return all;
  }
};

Matrices matrices(const Tensor& x, const Shape& batch) {
  Matrices all{.hold = x};
  const Shape own = leading(x.shape());
  const auto last_axes = [](const Tensor& t, std::span<const Index> (*what)(const Tensor&)) {
    return what(t).last(2);
  };
  const Tensor one = detail::make_view(*x.header(), last_axes(x, detail::extents),
                                       last_axes(x, detail::strides), 0);
  Tensor copied;
  const bool empty = x.size() == 0;  // then there is no first matrix to look at
  if (!empty) all.first = detail::as_matrix_2d(one, copied);
  if (empty || copied.header() != one.header()) {
    all.hold = detail::dense_copy(x);
    all.first = {all.hold.header()->data, x.size(-2), x.size(-1), x.size(-1), 1};
  }
  all.offsets = positions(batch, own, detail::strides(all.hold));
  for (Index& offset : all.offsets) offset *= static_cast<Index>(element_bytes(x.dtype()));
  return all;
}

// How many products go to one task; depends on their shape alone.
Index products_of_task(Index rows, Index columns, Index depth) {
  constexpr Index work = Index{1} << 19;  // multiplications
  return std::max<Index>(1, work / std::max<Index>(1, rows * columns * depth));
}

// to[j] += Σ a[i]·b[i] over the i that broadcasting took from j, in their order.
void multiply_into(const detail::Destination& to, const Matrices& a, const Matrices& b,
                   const Shape& batch) {
  const Shape own = leading(to.buffer.shape());
  const detail::Layout dense = detail::dense_layout(own);
  const std::vector<Index> target = positions(batch, own, dense.strides);
  std::vector<Index> order(target.size());
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Index i, Index j) {
    return target[static_cast<std::size_t>(i)] < target[static_cast<std::size_t>(j)];
  });
  std::vector<Index> begin(static_cast<std::size_t>(own.size()) + 1);  // of each target in `order`
  for (const Index j : target) ++begin[static_cast<std::size_t>(j) + 1];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());

  const Tensor& c = to.buffer;
  const std::vector<Index> places = positions(own, own, detail::strides(c));
  const auto bytes = static_cast<Index>(element_bytes(c.dtype()));
  const Index each = std::max<Index>(1, a.count() / std::max<Index>(1, own.size()));
  const Index grain =
      std::max<Index>(1, products_of_task(a.first.rows, b.first.columns, a.first.columns) / each);
  detail::parallel_for(own.size(), grain, [&](Index first, Index last) {
    for (Index j = first; j < last; ++j) {
      const auto at = static_cast<std::size_t>(j);
      const Matrix m{c.header()->data + places[at] * bytes, c.size(-2), c.size(-1),
                     detail::strides(c).last(2)[0], 1};
      bool accumulate = to.accumulate;
      for (Index k = begin[at]; k < begin[at + 1]; ++k, accumulate = true) {
        const Index i = order[static_cast<std::size_t>(k)];
        detail::multiply(c.dtype(), a[i], b[i], accumulate, m);
      }
      if (!accumulate)
        for (Index row = 0; row < m.rows; ++row)
          std::fill_n(m.data + row * m.row_stride * bytes, m.columns * bytes, std::byte{0});
    }
  });
}

const RegisteredOperation matmul_batch_op{
    {.name = "matmul_batch",
     .derivative =
         [](Backward& b) {
           Tensor g = b.upstream();
           if (!g.defined()) return;
           const Tensor x = b.saved(0);
           const Tensor W = b.saved(1);
           if (b.differentiable()) {
             if (b.needs(0)) b.add(0, matmul(g, transpose(W, -1, -2)));
             if (b.needs(1)) b.add(1, matmul(transpose(x, -1, -2), g));
             return;
           }
           const Shape batch = leading(b.output_shape());
           if (b.needs(0)) {
             const detail::Destination to = b.destination(0);
             g = b.upstream();
             multiply_into(to, matrices(g, batch), matrices(W, batch).transposed(), batch);
           }
           if (b.needs(1)) {
             const detail::Destination to = b.destination(1);
             g = b.upstream();
             multiply_into(to, matrices(x, batch).transposed(), matrices(g, batch), batch);
           }
         },
     .check =
         [] {
           const auto product = [](std::string name, const Shape& x, const Shape& W) {
             return CheckCase{
                 .name = std::move(name),
                 .inputs = {{.shape = x}, {.shape = W}},
                 .call = [](std::span<const Tensor> in) { return matmul(in[0], in[1]); }};
           };
           return Check{.cases = {product("batch", {2, 3, 4}, {2, 4, 2}),
                                  product("broadcast", {2, 1, 2, 3}, {3, 3, 2}),
                                  product("a matrix and a batch", {2, 3}, {2, 3, 2}),
                                  product("no rows", {2, 0, 3}, {2, 3, 2}),
                                  product("no batch", {1, 2, 3}, {0, 3, 2}),
                                  product("no depth", {2, 3, 0}, {2, 0, 2})}};
         },
     .formula = "x·W for each index of the leading axes; dx = dy·Wᵀ, dW = xᵀ·dy"}};

}  // namespace

namespace detail {

Tensor batched_product(const Tensor& x, const Tensor& W) {
  Shape batch;
  if (!broadcast(leading(x.shape()), leading(W.shape()), batch))
    fail("matmul", {.given = "x " + describe(x) + " and W " + describe(W) +
                             ", whose leading axes " + to_string(leading(x.shape())) + " and " +
                             to_string(leading(W.shape())) + " do not broadcast",
                    .needed = "equal extents there, or 1",
                    .hint = {}});
  const Index rows = x.size(-2);
  const Index columns = W.size(-1);
  const Matrices a = matrices(x, batch);
  const Matrices b = matrices(W, batch);
  Tensor y =
      empty(batch.inserted(batch.rank(), rows).inserted(batch.rank() + 1, columns), x.dtype());
  const auto bytes = static_cast<Index>(element_bytes(x.dtype()));
  parallel_for(a.count(), products_of_task(rows, columns, x.size(-1)), [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      multiply(x.dtype(), a[i], b[i], false,
               {y.header()->data + i * rows * columns * bytes, rows, columns, columns, 1});
  });
  return record(matmul_batch_op, {&x, &W}, y, {&x, &W});
}

}  // namespace detail
}  // namespace unroll
