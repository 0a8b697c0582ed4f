#pragma once

#include <unroll/autograd/tensor.h>

#include <array>
#include <exception>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

// A state is a Tensor, a number, or an aggregate (up to 8 fields), vector, array, tuple, pair or
// optional of states. Functions here work on any of them, without a base class or registration.
// Every defined tensor in a state has the batch as axis 0. Numbers are copied.
namespace unroll {

namespace detail {

// Converts to anything: as many of these as an aggregate takes are its fields.
struct AnyField {
  template <class T>
  operator T() const {
    std::terminate();  // never called; defined, since clang wants it for types without linkage
  }
};

template <class S, class... Fields>
constexpr std::size_t count_fields() {
  if constexpr (sizeof...(Fields) > 8)
    return 9;
  else if constexpr (requires { S{Fields{}..., AnyField{}}; })
    return count_fields<S, Fields..., AnyField>();
  else
    return sizeof...(Fields);
}

// Calls f with every field of an aggregate.
template <class S, class F>
decltype(auto) with_fields(S& s, F&& f) {
  constexpr std::size_t n = count_fields<std::remove_const_t<S>>();
  static_assert(n >= 1 && n <= 8, "a state struct has 1 to 8 fields; nest another struct for more");
  if constexpr (n == 1) {
    auto& [a] = s;
    return f(a);
  } else if constexpr (n == 2) {
    auto& [a, b] = s;
    return f(a, b);
  } else if constexpr (n == 3) {
    auto& [a, b, c] = s;
    return f(a, b, c);
  } else if constexpr (n == 4) {
    auto& [a, b, c, d] = s;
    return f(a, b, c, d);
  } else if constexpr (n == 5) {
    auto& [a, b, c, d, e] = s;
    return f(a, b, c, d, e);
  } else if constexpr (n == 6) {
    auto& [a, b, c, d, e, g] = s;
    return f(a, b, c, d, e, g);
  } else if constexpr (n == 7) {
    auto& [a, b, c, d, e, g, h] = s;
    return f(a, b, c, d, e, g, h);
  } else {
    auto& [a, b, c, d, e, g, h, i] = s;
    return f(a, b, c, d, e, g, h, i);
  }
}

template <class S>
inline constexpr bool is_vector = false;
template <class... X>
inline constexpr bool is_vector<std::vector<X...>> = true;
template <class S>
inline constexpr bool is_optional = false;
template <class X>
inline constexpr bool is_optional<std::optional<X>> = true;
template <class S>
inline constexpr bool is_std_array = false;
template <class X, std::size_t N>
inline constexpr bool is_std_array<std::array<X, N>> = true;
template <class S>
inline constexpr bool is_tuple = false;
template <class... X>
inline constexpr bool is_tuple<std::tuple<X...>> = true;
template <class A, class B>
inline constexpr bool is_tuple<std::pair<A, B>> = true;

}  // namespace detail

// Calls f(tensor) on every tensor of a state in order, undefined ones too. A non-const state lets f
// assign to them.
template <class S, class F>
void for_each_tensor(S& state, const F& f) {
  using Bare = std::remove_const_t<S>;
  if constexpr (std::is_base_of_v<Tensor, Bare>) {
    f(state);
  } else if constexpr (std::is_arithmetic_v<Bare> || std::is_enum_v<Bare>) {
    static_cast<void>(state);
  } else if constexpr (detail::is_vector<Bare> || detail::is_std_array<Bare>) {
    for (auto& element : state) for_each_tensor(element, f);
  } else if constexpr (detail::is_optional<Bare>) {
    if (state.has_value()) for_each_tensor(*state, f);
  } else if constexpr (detail::is_tuple<Bare>) {
    std::apply([&](auto&... element) { (for_each_tensor(element, f), ...); }, state);
  } else {
    static_assert(std::is_aggregate_v<Bare>,
                  "a state is a Tensor, a number, or an aggregate, vector, array, tuple or "
                  "optional of states");
    detail::with_fields(state, [&](auto&... field) { (for_each_tensor(field, f), ...); });
  }
}

// A copy of a state with f(tensor) in place of every defined tensor.
template <class S, class F>
S map_tensors(const S& state, const F& f) {
  S result = state;
  for_each_tensor(result, [&](Tensor& x) {
    if (x.defined()) x = f(x);
  });
  return result;
}

namespace detail {

// The tensors of a state that are defined.
template <class S>
std::vector<Tensor> tensors_of(const S& state) {
  std::vector<Tensor> all;
  for_each_tensor(state, [&](const Tensor& x) {
    if (x.defined()) all.push_back(x);
  });
  return all;
}

// A state with other tensors in place of those that are defined.
template <class S>
S with_tensors(const S& state, std::span<const Tensor> tensors) {
  std::size_t next = 0;
  return map_tensors(state, [&](const Tensor&) { return tensors[next++]; });
}

}  // namespace detail

// The same values without history: what is carried into the next window.
//   state = detach(out.state);
template <class S>
requires(!std::is_base_of_v<Tensor, S>) S detach(const S& state) {
  return map_tensors(state, [](const Tensor& x) { return detach(x); });
}

}  // namespace unroll
