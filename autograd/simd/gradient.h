#pragma once

#include <unroll/autograd/simd/partial_math.h>

#include <cstddef>
#include <tuple>
#include <utility>

namespace unroll::simd {

// As in partial.h.
#if defined(__clang__)
#pragma clang attribute push(__attribute__((always_inline)), apply_to = function)
#endif

namespace detail {

struct Nothing {};

template <class S, class T>
auto add_term(const S& sum, const T& term) {
  if constexpr (std::is_same_v<S, Nothing>)
    return plain(term);
  else
    return sum + plain(term);
}

// sum over the results y_k of dy_k/dx_J * g_k, for k from K on.
template <int J, std::size_t K, class Y, class G, class S>
auto pull_back(const Y& y, const G& g, const S& sum) {
  if constexpr (K == std::tuple_size_v<Y>) {
    if constexpr (std::is_same_v<S, Nothing>)
      return 0.0;
    else
      return sum;
  } else if constexpr (has(mask_of<std::tuple_element_t<K, Y>>, J)) {
    return pull_back<J, K + 1>(y, g, add_term(sum, times(part<J>(std::get<K>(y)), std::get<K>(g))));
  } else {
    return pull_back<J, K + 1>(y, g, sum);
  }
}

template <int J, class X>
auto seed(const X& x) {
  return make_partial<1U << J>(x, One{});
}

// Flattened, so that clang inlines f whatever its size.
template <class F, class X, std::size_t... J>
UNROLL_SIMD_FLATTEN auto evaluate_with_partials(const F& f, const X& x, std::index_sequence<J...>) {
  return tuple_of_results(f, seed<static_cast<int>(J)>(std::get<J>(x))...);
}

template <std::size_t Inputs, class V, std::size_t... K>
auto upstream(const V& v, std::index_sequence<K...>) {
  return std::tie(std::get<Inputs + K>(v)...);
}

template <class Y, class G, std::size_t... J>
auto pull_back_all(const Y& y, const G& g, std::index_sequence<J...>) {
  return std::make_tuple(pull_back<static_cast<int>(J), 0>(y, g, Nothing{})...);
}

}  // namespace detail

// The gradient of a pointwise function f with `Inputs` arguments and `Outputs` results is again a
// pointwise function, of the arguments x... and an upstream gradient g_k per result:
//   (x..., g...) -> (sum over k of g_k dy_k/dx_j) for every j, as a tuple
// It holds f and nothing else, so its bytes are those of f.
template <class F, int Inputs, int Outputs>
struct Grad {
  F f;

  template <class... V>
  auto operator()(const V&... v) const {
    static_assert(sizeof...(V) == Inputs + Outputs);
    constexpr std::make_index_sequence<Inputs> inputs;
    const auto all = std::tie(v...);
    const auto y = detail::evaluate_with_partials(f, all, inputs);
    const auto g = detail::upstream<Inputs>(all, std::make_index_sequence<Outputs>{});
    return detail::pull_back_all(y, g, inputs);
  }
};

#if defined(__clang__)
#pragma clang attribute pop
#endif

}  // namespace unroll::simd
