#pragma once

#include <unroll/autograd/detail/checked_function.h>
#include <unroll/autograd/detail/state_names.h>
#include <unroll/autograd/parameter_list.h>
#include <unroll/autograd/state.h>

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

// From what a user hands over to a CheckedFunction. Everything is held by reference: a
// CheckedFunction lives no longer than the call of gradcheck or explain that made it.
namespace unroll::detail {

template <class Y>
std::vector<Tensor> results_of(const Y& y) {
  static_assert(!std::is_arithmetic_v<Y>, "f returns a Tensor, or a state of Tensors");
  return tensors_of(y);
}

[[noreturn]] void fail_arity(const char* operation, Index given);

// Whether f is no template, so that asking what it takes compiles none of its body.
template <class F>
concept PlainFunction = std::is_function_v<std::remove_pointer_t<F>> || requires {
  &F::operator();
};

template <std::size_t>
using EachTensor = const Tensor&;
template <class F, std::size_t... i>
constexpr bool takes_tensors(std::index_sequence<i...>) {
  return std::is_invocable_v<const F&, EachTensor<i>...>;
}

// f(x0, x1, …) for as many tensors as there are, or f(span).
template <class F, std::size_t n = 1>
std::vector<Tensor> call_with_tensors(const char* operation, const F& f,
                                      std::span<const Tensor> x) {
  if constexpr (n > 8) {
    fail_arity(operation, std::ssize(x));
  } else {
    if constexpr (n == 1 && PlainFunction<F>) {
      if constexpr (std::is_invocable_v<const F&, std::span<const Tensor>>)
        return results_of(f(x));
      else if constexpr (std::is_invocable_v<const F&, const std::vector<Tensor>&>)
        return results_of(f(std::vector<Tensor>(x.begin(), x.end())));
    }
    if constexpr (takes_tensors<F>(std::make_index_sequence<n>()))
      if (x.size() == n) return [&]<std::size_t... i>(std::index_sequence<i...>) {
          return results_of(f(x[i]...));
        }
    (std::make_index_sequence<n>());
    return call_with_tensors<F, n + 1>(operation, f, x);
  }
}

void append_parameters(const ParameterList& parameters, CheckedFunction& to);

template <class F>
CheckedFunction checked_function(const char* operation, const F& f,
                                 std::span<const Tensor> inputs) {
  CheckedFunction checked{.operation = operation};
  for (const Tensor& x : inputs)
    checked.inputs.push_back({"input " + std::to_string(checked.inputs.size()), x});
  if constexpr (HasParameters<F>) append_parameters(parameters_of(f), checked);
  checked.f = [&f, operation](std::span<const Tensor> x) {
    return call_with_tensors(operation, f, x);
  };
  return checked;
}

// What stands before the names of fields: "state.forward[0].h", but "x" and "state.h" of a struct
// of inputs that has a state among them.
template <class S>
const char* state_prefix() {
  if constexpr (std::is_base_of_v<Tensor, S>)
    return "input 0";
  else if constexpr (
      requires(const S& s) { s.state; } || requires(const S& s) { s.initial; })
    return "";
  else
    return "state";
}

// f of a state struct; undefined tensors in it stay undefined.
template <class F, class S>
CheckedFunction checked_function_of_state(const char* operation, const F& f, const S& state) {
  CheckedFunction checked{.operation = operation};
  const std::vector<Tensor> tensors = tensors_of(state);
  const std::vector<std::string> names = names_of(state, state_prefix<S>());
  for (std::size_t i = 0; i < tensors.size(); ++i) checked.inputs.push_back({names[i], tensors[i]});
  checked.f = [&f, state](std::span<const Tensor> x) {
    return results_of(f(with_tensors(state, x)));
  };
  return checked;
}

template <class M, class Loss>
CheckedFunction checked_model(const char* operation, const M& model, const Loss& loss) {
  CheckedFunction checked{.operation = operation};
  append_parameters(parameters_of(model), checked);
  checked.f = [&loss](std::span<const Tensor>) { return results_of(loss()); };
  return checked;
}

template <class M, class S, class Loss>
CheckedFunction checked_model(const char* operation, const M& model, const S& state,
                              const Loss& loss) {
  CheckedFunction checked = checked_function_of_state(operation, loss, state);
  append_parameters(parameters_of(model), checked);
  return checked;
}

}  // namespace unroll::detail
