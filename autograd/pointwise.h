#pragma once

#include <unroll/autograd/operation.h>
#include <unroll/autograd/simd/kernel.h>
#include <unroll/autograd/simd/scalar.h>

#include <array>
#include <tuple>
#include <type_traits>

namespace unroll {

namespace detail {

// Runs a pointwise function over operands that broadcast, and records it.
void pointwise_apply(const Operation& operation, const void* function, const Tensor* const* inputs,
                     Tensor* outputs);
void pointwise_derivative(Backward& b);
// The same without recording, for values that have no derivative: whatever history the inputs have.
void pointwise_values(const Operation& operation, const void* function, const Tensor* const* inputs,
                      Tensor* outputs);

// The record of a function that no one listed, and those of its gradients behind it.
template <class F, int Inputs, int Order>
struct PointwiseRecord {
  static constexpr const simd::PointwiseTable* table_of(int level) {
    const simd::PointwiseTable* table = &simd::pointwise_table<F, Inputs, Order>();
    for (; level > 0; --level) table = table->gradient;
    return table;
  }
  static constexpr Operation second{.name = "pointwise_second",
                                    .derivative = pointwise_derivative,
                                    .pointwise = Order > 1 ? table_of(Order > 1 ? 2 : 0) : nullptr};
  static constexpr Operation first{.name = "pointwise_gradient",
                                   .derivative = pointwise_derivative,
                                   .pointwise = Order > 0 ? table_of(Order > 0 ? 1 : 0) : nullptr,
                                   .gradient = Order > 1 ? &second : nullptr};
  static constexpr Operation operation{.name = "pointwise",
                                       .derivative = pointwise_derivative,
                                       .pointwise = table_of(0),
                                       .gradient = Order > 0 ? &first : nullptr};
};

Tensor number_like(const Tensor& like, double number);

inline const Tensor& as_operand(const Tensor&, const Tensor& x) { return x; }
template <class Number>
requires std::is_arithmetic_v<Number> Tensor as_operand(const Tensor& like, Number number) {
  return number_like(like, static_cast<double>(number));
}
template <class First, class... Rest>
const Tensor& first_tensor(const First& first, const Rest&... rest) {
  if constexpr (std::is_base_of_v<Tensor, First>) {
    return first;
  } else {
    static_assert(sizeof...(Rest) > 0,
                  "[pointwise] no Tensor among the arguments; needed at least one");
    return first_tensor(rest...);
  }
}

template <class F, class... X>
auto pointwise_call(const Operation& operation, const F& f, const X&... x) {
  constexpr int inputs = static_cast<int>(sizeof...(X));
  constexpr int outputs = simd::outputs_of<F, inputs>();
  const Tensor& like = first_tensor(x...);
  std::array<Tensor, static_cast<std::size_t>(outputs)> out;
  [&](const auto&... operand) {
    const std::array<const Tensor*, sizeof...(X)> in{&operand...};
    pointwise_apply(operation, &f, in.data(), out.data());
  }(as_operand(like, x)...);
  if constexpr (outputs == 1)
    return std::move(out[0]);
  else
    return out;
}

}  // namespace detail

// Applies f to every element of operands that broadcast against each other, in one fused pass; its
// gradient is compiled from it, fused as well, and so is the gradient of that.
//   constexpr auto swish = [](auto x, auto slope) { return x * sigmoid(slope * x); };
//   Tensor y = pointwise(swish, x, 1.5);
// f is generic and pure, has up to 8 arguments and returns one value (a Tensor) or a std::tuple of
// up to 8 (a std::array of Tensors). It may capture numbers by value; numbers may also be passed as
// arguments and get no gradient; a Tensor is always an argument. Write it as a constexpr at
// namespace scope: then it can be called on plain doubles too. Branch with where(x > 0, a, b), not
// with if; a variable cannot be assigned again, since its type says what it depends on. Order is
// how often it can be differentiated. f32 and f64, all operands alike; throws where shapes do not
// broadcast.
template <int Order = 2, class F, class... X>
auto pointwise(const F& f, const X&... x) {
  constexpr int inputs = static_cast<int>(sizeof...(X));
  static_assert(inputs <= simd::max_inputs, "[pointwise] more than 8 arguments; needed at most 8");
  return detail::pointwise_call(detail::PointwiseRecord<F, inputs, Order>::operation, f, x...);
}

// A pointwise function with a name, listed in the registry:
//   const Pointwise tanh_op{{.name = "tanh", .check = …}, [](auto x) { return tanh(x); }};
//   Tensor tanh(const Tensor& x) { return tanh_op(x); }
template <class F>
class Pointwise : public RegisteredOperation {
 public:
  Pointwise(Operation operation, const F& f, const char* source = __builtin_FILE())
      : RegisteredOperation(completed(operation), source), f_(f) {}

  template <class... X>
  auto operator()(const X&... x) const {
    return detail::pointwise_call(*this, f_, x...);
  }
  // The same function with other captured numbers.
  template <class... X>
  auto with(const F& f, const X&... x) const {
    return detail::pointwise_call(*this, f, x...);
  }

 private:
  using Record = detail::PointwiseRecord<F, simd::arity_of<F>(), 2>;
  static Operation completed(Operation operation) {
    operation.derivative = detail::pointwise_derivative;
    operation.pointwise = Record::operation.pointwise;
    operation.gradient = Record::operation.gradient;
    return operation;
  }
  F f_;
};

}  // namespace unroll
