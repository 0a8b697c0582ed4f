#pragma once

#include <unroll/autograd/create.h>
#include <unroll/autograd/operation.h>

// Rows of the gradient check for the common kinds of operation.
namespace unroll::check {

// An elementwise function of one or two tensors, each drawn as its CheckInput says.
template <class F>
Check unary(const F& f, const CheckInput& x = {}) {
  return {.cases = {{.name = "",
                     .inputs = {x},
                     .call = [f](std::span<const Tensor> in) { return f(in[0]); }}},
          .elementwise = true};
}
inline Check unary(Tensor (*f)(const Tensor&), const CheckInput& x = {}) {
  return unary([f](const Tensor& in) { return f(in); }, x);
}
template <class F>
Check binary(const F& f, const CheckInput& x = {}, const CheckInput& y = {}) {
  return {.cases = {{.name = "",
                     .inputs = {x, y},
                     .call = [f](std::span<const Tensor> in) { return f(in[0], in[1]); }}},
          .elementwise = true};
}

// A mask beside x that holds for every third element.
inline Tensor every_third(const Tensor& x) {
  std::vector<double> all(static_cast<std::size_t>(x.size()));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = i % 3 == 0 ? 1 : 0;
  return from(std::span<const double>(all), x.shape()).to(x.dtype());
}

}  // namespace unroll::check
