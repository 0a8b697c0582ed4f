#pragma once

#include <unroll/autograd/detail/checked_function.h>
#include <unroll/autograd/detail/state_names.h>
#include <unroll/autograd/parameter_list.h>
#include <unroll/autograd/state.h>

#include <concepts>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

// From what a user hands over to a CheckedFunction. Everything is held by reference: a
// CheckedFunction lives no longer than the call of gradcheck or explain that made it.
namespace unroll {

// What has parameters by path, as every nn::Module.
template <class M>
concept HasParameters = requires(const M& m) {
  { m.parameters() } -> std::convertible_to<ParameterList>;
};

namespace detail {

template <class Y>
std::vector<Tensor> results_of(const Y& y) {
  static_assert(!std::is_arithmetic_v<Y>, "f returns a Tensor, or a state of Tensors");
  std::vector<Tensor> all;
  for_each_tensor(y, [&](const Tensor& x) {
    if (x.defined()) all.push_back(x);
  });
  return all;
}

[[noreturn]] void fail_arity(Index given);

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
std::vector<Tensor> call_with_tensors(const F& f, std::span<const Tensor> x) {
  if constexpr (n > 8) {
    fail_arity(std::ssize(x));
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
    return call_with_tensors<F, n + 1>(f, x);
  }
}

void append_parameters(const ParameterList& parameters, CheckedFunction& to);

template <class F>
CheckedFunction checked_function(const F& f, std::span<const Tensor> inputs) {
  CheckedFunction checked;
  for (const Tensor& x : inputs)
    checked.inputs.push_back({"input " + std::to_string(checked.inputs.size()), x});
  if constexpr (HasParameters<F>) append_parameters(f.parameters(), checked);
  checked.f = [&f](std::span<const Tensor> x) { return call_with_tensors(f, x); };
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
CheckedFunction checked_function_of_state(const F& f, const S& state) {
  CheckedFunction checked;
  std::vector<std::string> names;
  append_names(state, state_prefix<S>(), names);
  std::size_t number = 0;
  for_each_tensor(state, [&](const Tensor& x) {
    if (x.defined()) checked.inputs.push_back({names[number], x});
    ++number;
  });
  checked.f = [&f, state](std::span<const Tensor> x) {
    std::size_t next = 0;
    const S here = map_tensors(state, [&](const Tensor&) { return x[next++]; });
    return results_of(f(here));
  };
  return checked;
}

template <class M, class Loss>
CheckedFunction checked_model(const M& model, const Loss& loss) {
  CheckedFunction checked;
  append_parameters(model.parameters(), checked);
  checked.f = [&loss](std::span<const Tensor>) { return results_of(loss()); };
  return checked;
}

template <class M, class S, class Loss>
CheckedFunction checked_model(const M& model, const S& state, const Loss& loss) {
  CheckedFunction checked = checked_function_of_state(loss, state);
  append_parameters(model.parameters(), checked);
  return checked;
}

}  // namespace detail
}  // namespace unroll
