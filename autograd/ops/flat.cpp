#include <unroll/autograd/backward.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/ops/flat.h>

namespace unroll {
namespace {

CheckCase flat_case(const Shape& shape, std::function<Tensor(const Tensor&)> f) {
  return {.name = "",
          .inputs = {{.shape = shape}},
          .call = [f = std::move(f)](std::span<const Tensor> in) { return f(in[0]); }};
}

const RegisteredOperation gather_flat_op{
    {.name = "gather_flat",
     .derivative = detail::flat_derivative,
     .check =
         [] {
           return Check{.cases = {flat_case({3, 4},
                                            [](const Tensor& x) {
                                              return gather_flat(x, tensor({5, 0, 5}));
                                            })},
                        .trusts_caller = true};
         },
     .formula = "x at positions"}};
const RegisteredOperation scatter_flat_op{
    {.name = "scatter_flat",
     .derivative =
         [](Backward& b) {
           if (const Tensor g = b.upstream(); g.defined()) b.add(0, gather_flat(g, b.saved(0)));
         },
     .check =
         [] {
           return Check{.cases = {flat_case({3},
                                            [](const Tensor& x) {
                                              return scatter_flat(x, tensor({5, 0, 5}), {2, 4});
                                            })},
                        .trusts_caller = true};
         },
     .formula = "zeros with x added at positions"}};

}  // namespace

void detail::flat_derivative(Backward& b) {
  if (const Tensor g = b.upstream(); g.defined())
    b.add(0, scatter_flat(g, b.saved(0), b.input_shape(0)));
}

Tensor gather_flat(const Tensor& x, const Tensor& positions) {
  const Tensor from = detail::dense_copy(x);
  const Tensor at = detail::dense_copy(positions);
  Tensor y = detail::empty(positions.shape(), x.dtype());
  visit(x.dtype(), [&]<class T>(T) {
    const Index* p = detail::data<Index>(at);
    for (Index i = 0; i < y.size(); ++i) detail::data<T>(y)[i] = detail::data<T>(from)[p[i]];
  });
  return detail::record(gather_flat_op, {&x}, y, {&at});
}

Tensor scatter_flat(const Tensor& x, const Tensor& positions, const Shape& shape) {
  const Tensor from = detail::dense_copy(x);
  const Tensor at = detail::dense_copy(positions);
  Tensor y = zeros(shape, x.dtype());
  visit(x.dtype(), [&]<class T>(T) {
    const Index* p = detail::data<Index>(at);
    for (Index i = 0; i < from.size(); ++i) detail::data<T>(y)[p[i]] += detail::data<T>(from)[i];
  });
  return detail::record(scatter_flat_op, {&x}, y, {&at});
}

}  // namespace unroll
