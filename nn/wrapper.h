#pragma once

#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/nn/cell.h>
#include <unroll/nn/recurrent_support.h>

// What wrappers of cells share. A wrapper is its cell with some hooks replaced: it derives from it,
// so that parameters keep their names, and a checkpoint of nn::Recurrent<C> is one of
// nn::Recurrent<Zoneout<C>>. Its options hold the cell's as .cell; its Begun holds the cell's as
// .cell. The outermost wrapper acts first on inputs and last on states.
namespace unroll::nn::detail {

// A cell's options within those of its wrapper, with the sizes.
template <class C, class Options>
typename C::Options options_of_cell(const Options& o) {
  constexpr const char* kind = kind_of<C>();
  typename C::Options inner = o.cell;
  set_size(kind, "input", inner.input, o.input);
  set_size(kind, "hidden", inner.hidden, o.hidden);
  return inner;
}

// Whether a tensor of a state is its field h, or that of a cell of a Stack.
template <class S>
bool is_h(const S& state, const Tensor* x) {
  if constexpr (unroll::detail::is_tuple<S>)
    return std::apply([&](const auto&... of_cell) { return (is_h(of_cell, x) || ...); }, state);
  else if constexpr (requires {
                       { state.h } -> std::convertible_to<const Tensor&>;
                     })
    return static_cast<const Tensor*>(&state.h) == x;
  else
    return false;
}

// Calls f(weights...) for each cell within what begin() returned, with the structs that hold its
// recurrent weights: those with a field Wh.
template <class B, class F>
void for_each_weights(B& begun, const F& f) {
  if constexpr (requires { begun.Wh; })
    f(begun);
  else if constexpr (unroll::detail::is_std_array<std::remove_const_t<B>>)
    std::apply(f, begun);
  else if constexpr (unroll::detail::is_tuple<std::remove_const_t<B>>)
    std::apply([&](auto&... of_cell) { (for_each_weights(of_cell, f), ...); }, begun);
  else if constexpr (requires { begun.cell; })
    for_each_weights(begun.cell, f);
}

// Whether all cells within have such structs, with a field that `Has` asks for.
template <class B, template <class> class Has>
constexpr bool all_weights() {
  if constexpr (requires(B & b) { b.Wh; })
    return Has<B>::value;
  else if constexpr (unroll::detail::is_std_array<B>)
    return all_weights<typename B::value_type, Has>();
  else if constexpr (unroll::detail::is_tuple<B>)
    return []<class... X>(std::tuple<X...>*) {
      return (all_weights<X, Has>() && ...);
    }(static_cast<B*>(nullptr));
  else if constexpr (requires(B & b) { b.cell; })
    return all_weights<decltype(B::cell), Has>();
  else
    return false;
}

template <class W>
struct HasWh : std::true_type {};
template <class W>
    struct HasMask : std::bool_constant < requires(W& w) {
  w.h_mask = Tensor();
} > {};
template <class W>
    struct HasNorms : std::bool_constant < requires(W& w) {
  w.norm_input = nullptr;
  w.norm_recurrent = nullptr;
} > {};

}  // namespace unroll::nn::detail
