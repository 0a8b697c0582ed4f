#pragma once

#include <unroll/autograd/detail/evaluation.h>
#include <unroll/autograd/rows.h>

#include <concepts>
#include <type_traits>

// Derivatives of functions and of models, beyond the gradient of a training step:
//
//   const auto f = [&](const Tensor& x) { return lstm(x).outputs; };
//   Tensor g = gradient([&](const Tensor& x) { return sum(square(f(x))); }, x);
//   auto [y, slope] = jvp(f, x, v);             // f(x), and J·v: how y moves where x moves along v
//   auto [z, pulled] = vjp(f, x, u);            // f(x), and Jᵀ·u
//   Tensor J = jacobian(f, x);                  // [y.shape…, x.shape…]
//
//   const auto loss = [&] { return cross_entropy(model(ids), labels); };
//   Gradients down = gradient(model, loss);     // by all its parameters
//   Gradients bend = hvp(model, loss, down);    // Hessian times vector, without the Hessian
//
// A function takes and returns a Tensor or any other state (autograd/state.h), and results by x
// have the type of x. A model is anything with parameters(), or a ParameterList; its function takes
// nothing and captures the model. Frozen parameters are constants.
//
// f is called once, under a tape of its own: in evaluation mode, or with {.training = true} with
// masks that depend on `seed` alone. Results are values without history. What f does not depend on
// has the derivative 0. Throws where x is i64 or recorded by a live tape (detach(x) is a value),
// where f returns i64, and where u, v have not the shapes and dtypes of f(x), x.
namespace unroll {

template <class Value, class Product>
struct ValueAndProduct {
  Value value;
  Product product;
};

namespace detail {

template <class S>
using Bare = std::remove_cvref_t<S>;
// A state; Tensor for what is derived from it.
template <class S>
using PointOf = std::conditional_t<std::is_base_of_v<Tensor, Bare<S>>, Tensor, Bare<S>>;
// What f returns, of a point or of nothing.
template <class F, class... X>
using ResultOf = PointOf<std::invoke_result_t<const F&, const PointOf<X>&...>>;

template <class F, class X>
concept FunctionOf = requires(const F& f, const PointOf<X>& x) {
  f(x);
};

template <class M, class F>
concept ModelAndFunction = HasParameters<M> && std::invocable<const F&>;

template <class Y>
Y value_of(const Y& y) {
  return map_tensors(y, as_value);
}

// A batch with functions of its own has no axis to be told.
template <class S>
Index rows_of(const S& batch, Index axis) {
  return axis == 0 ? count_rows(batch) : count_rows(batch, {.axis = axis});
}
template <class S>
S row_of(const S& batch, Index row, Index axis) {
  return axis == 0 ? slice_rows(batch, row, row + 1)
                   : slice_rows(batch, row, row + 1, {.axis = axis});
}

template <class Y>
constexpr void require_tensor() {
  static_assert(std::is_same_v<Y, Tensor>,
                "this derivative is of one Tensor; of an output with several parts f returns one: "
                "[&](const Tensor& x) { return lstm(x).outputs; }");
}

}  // namespace detail

// ∂f/∂x of an f with one element, by one reverse pass.
template <class F, class X>
requires detail::FunctionOf<F, X> detail::PointOf<X> gradient(
    const F& f, const X& x, const DerivativeOptions& options = {}) {
  using Point = detail::PointOf<X>;
  detail::require_tensor<detail::ResultOf<F, X>>();
  detail::Evaluation at("gradient", options);
  at.set_loss(f(at.watch<Point>(x)));
  return detail::with_tensors<Point>(x, at.gradient());
}
// For every parameter; sparse for tables that were looked up.
template <class M, class F>
requires detail::ModelAndFunction<M, F> Gradients gradient(const M& model, const F& f,
                                                           const DerivativeOptions& options = {}) {
  detail::require_tensor<detail::ResultOf<F>>();
  detail::Evaluation at("gradient", options);
  at.watch_parameters(detail::parameters_of(model));
  at.set_loss(f());
  return at.backward();
}

// f(x) and uᵀ·∂f/∂x, by one reverse pass.
template <class F, class X>
requires detail::FunctionOf<F, X>
auto vjp(const F& f, const X& x, const detail::ResultOf<F, X>& u,
         const DerivativeOptions& options = {})
    -> ValueAndProduct<detail::ResultOf<F, X>, detail::PointOf<X>> {
  using Point = detail::PointOf<X>;
  detail::Evaluation at("vjp", options);
  const detail::ResultOf<F, X> y = f(at.watch<Point>(x));
  at.set_results(y);
  return {.value = detail::value_of(y),
          .product = detail::with_tensors<Point>(x, at.vjp(detail::tensors_of(u)))};
}
template <class M, class F>
requires detail::ModelAndFunction<M, F>
auto vjp(const M& model, const F& f, const detail::ResultOf<F>& u,
         const DerivativeOptions& options = {}) -> ValueAndProduct<detail::ResultOf<F>, Gradients> {
  detail::Evaluation at("vjp", options);
  at.watch_parameters(detail::parameters_of(model));
  const detail::ResultOf<F> y = f();
  at.set_results(y);
  return {.value = detail::value_of(y), .product = at.as_gradients(at.vjp(detail::tensors_of(u)))};
}

// f(x) and ∂f/∂x·v. There are no forward rules: w(u) = ∂f/∂xᵀ·u is linear in u, so its own pull
// back of v is what is asked for; a recorded reverse pass and a second one through it. By the
// weights of an LSTM it takes the time of 2 gradients, by the input 1.5.
template <class F, class X>
requires detail::FunctionOf<F, X>
auto jvp(const F& f, const X& x, const std::type_identity_t<detail::PointOf<X>>& v,
         const DerivativeOptions& options = {})
    -> ValueAndProduct<detail::ResultOf<F, X>, detail::ResultOf<F, X>> {
  using Point = detail::PointOf<X>;
  detail::Evaluation at("jvp", options);
  const detail::ResultOf<F, X> y = f(at.watch<Point>(x));
  at.set_results(y);
  return {.value = detail::value_of(y),
          .product = detail::with_tensors(y, at.jvp(detail::tensors_of(v)))};
}
// Parameters that `direction` does not hold stay where they are.
template <class M, class F>
requires detail::ModelAndFunction<M, F>
auto jvp(const M& model, const F& f, const Gradients& direction,
         const DerivativeOptions& options = {})
    -> ValueAndProduct<detail::ResultOf<F>, detail::ResultOf<F>> {
  detail::Evaluation at("jvp", options);
  at.watch_parameters(detail::parameters_of(model));
  const detail::ResultOf<F> y = f();
  at.set_results(y);
  return {.value = detail::value_of(y),
          .product = detail::with_tensors(y, at.jvp(at.direction(direction)))};
}

// ∂²f/∂x²·v of an f with one element: the gradient, recorded, and a second reverse pass through it.
// By the weights of an LSTM it takes the time of 3 gradients, by the input 2.
template <class F, class X>
requires detail::FunctionOf<F, X> detail::PointOf<X> hvp(
    const F& f, const X& x, const std::type_identity_t<detail::PointOf<X>>& v,
    const DerivativeOptions& options = {}) {
  using Point = detail::PointOf<X>;
  detail::require_tensor<detail::ResultOf<F, X>>();
  detail::Evaluation at("hvp", options);
  at.set_loss(f(at.watch<Point>(x)));
  return detail::with_tensors<Point>(x, at.hvp(detail::tensors_of(v)));
}
template <class M, class F>
requires detail::ModelAndFunction<M, F> Gradients hvp(const M& model, const F& f,
                                                      const Gradients& direction,
                                                      const DerivativeOptions& options = {}) {
  detail::require_tensor<detail::ResultOf<F>>();
  detail::Evaluation at("hvp", options);
  at.watch_parameters(detail::parameters_of(model));
  at.set_loss(f());
  return at.as_gradients(at.hvp(at.direction(direction)));
}

// [y.shape…, x.shape…] for each tensor x of the point. f is recorded once; rows take a reverse pass
// for every element of y, columns one for every element of x through a recorded pass.
template <class F, class X>
requires detail::FunctionOf<F, X> detail::PointOf<X> jacobian(const F& f, const X& x,
                                                              const JacobianOptions& options = {}) {
  using Point = detail::PointOf<X>;
  detail::require_tensor<detail::ResultOf<F, X>>();
  detail::Evaluation at("jacobian", {.training = options.training, .seed = options.seed});
  at.set_result(f(at.watch<Point>(x)));
  return detail::with_tensors<Point>(x, at.jacobian(options.by));
}
template <class M, class F>
requires detail::ModelAndFunction<M, F> PerParameter jacobian(const M& model, const F& f,
                                                              const JacobianOptions& options = {}) {
  detail::require_tensor<detail::ResultOf<F>>();
  detail::Evaluation at("jacobian", {.training = options.training, .seed = options.seed});
  at.watch_parameters(detail::parameters_of(model));
  at.set_result(f());
  return at.as_per_parameter(at.jacobian(options.by));
}

// ∂²f/∂x² of an f with one element: [x.shape…, x.shape…]. Of a state with n elements [n, n], where
// its tensors follow one another, each in row-major order. One reverse pass for each element.
template <class F, class X>
requires detail::FunctionOf<F, X> Tensor hessian(const F& f, const X& x,
                                                 const DerivativeOptions& options = {}) {
  using Point = detail::PointOf<X>;
  detail::require_tensor<detail::ResultOf<F, X>>();
  detail::Evaluation at("hessian", options);
  at.set_loss(f(at.watch<Point>(x)));
  if constexpr (std::is_same_v<Point, Tensor>)
    return at.hessian_of_tensor();
  else
    return at.hessian();
}
// [n, n] over all elements in the order of parameters(), without those that are frozen.
template <class M, class F>
requires detail::ModelAndFunction<M, F> Tensor hessian(const M& model, const F& f,
                                                       const DerivativeOptions& options = {}) {
  detail::require_tensor<detail::ResultOf<F>>();
  detail::Evaluation at("hessian", options);
  at.watch_parameters(detail::parameters_of(model));
  at.set_loss(f());
  return at.hessian();
}

// The gradient of each sample's loss by itself: [B, p.shape…] for every parameter p. f is called
// with one sample after another, a batch with one row: slice_rows(batch, b, b + 1).
template <class M, class F, class Batch>
requires HasParameters<M> && detail::FunctionOf<F, Batch> PerParameter per_sample_gradients(
    const M& model, const F& f, const Batch& batch, const PerSampleOptions& options = {}) {
  using Sample = detail::PointOf<Batch>;
  detail::require_tensor<detail::ResultOf<F, Batch>>();
  const auto parameters = detail::parameters_of(model);
  const Sample& all = batch;
  const Index count = detail::rows_of(all, options.axis);
  PerParameter gradients = detail::room_for_samples(parameters, count);
  for (Index b = 0; b < count; ++b) {
    const Sample sample = detail::row_of(all, b, options.axis);
    detail::Evaluation at(
        "per_sample_gradients",
        {.training = options.training, .seed = detail::seed_of_sample(options.seed, b)});
    at.watch_parameters(parameters);
    at.set_loss(f(sample));
    detail::put_sample(at.backward(), gradients, b);
  }
  return gradients;
}

}  // namespace unroll
