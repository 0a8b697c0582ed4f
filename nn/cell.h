#pragma once

#include <unroll/autograd/create.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/state.h>
#include <unroll/nn/module.h>
#include <unroll/nn/scope.h>

#include <concepts>
#include <type_traits>

// A cell is one time step of a recurrent layer: a module with
//   Options     starting with Index input, hidden
//   State       a plain struct of tensors [batch, ...]
//   State step(const Tensor& x, const State& s) const
// and, where it has a use for them,
//   Tensor project(const Tensor& sequence) const   once for a whole sequence [T, B, input]; its
//   steps, not
//                                                  those of the input, are what step() gets as x
//   Begun begin(Index batch) const                 once per call of the layer; what it returns is
//   the last
//                                                  argument of every step()
//   State initial_state(Index batch) const         else zeros [batch, hidden] in every field
//   Tensor output(const State& s) const            else s.h
namespace unroll::nn {

template <class C>
concept HasProject = requires(const C& c, const Tensor& x) {
  { c.project(x) } -> std::convertible_to<Tensor>;
};
template <class C>
concept HasBegin = requires(const C& c, Index batch) {
  c.begin(batch);
};

namespace detail {

struct NothingBegun {};

template <class C>
auto begin_cell(const C& cell, Index batch) {
  if constexpr (HasBegin<C>)
    return cell.begin(batch);
  else
    return NothingBegun{};
}
template <class C>
using Begun = decltype(begin_cell(std::declval<const C&>(), Index{}));

template <class C>
concept StepsAlone = requires(const C& c, const Tensor& x, const typename C::State& s) {
  { c.step(x, s) } -> std::same_as<typename C::State>;
};
template <class C>
concept StepsWithBegun = HasBegin<C> &&
    requires(const C& c, const Tensor& x, const typename C::State& s, const Begun<C>& w) {
  { c.step(x, s, w) } -> std::same_as<typename C::State>;
};
template <class C>
concept HasOutput = requires(const C& c, const typename C::State& s) {
  { c.output(s) } -> std::convertible_to<Tensor>;
}
|| requires(const typename C::State& s) {
  { s.h } -> std::convertible_to<Tensor>;
};

}  // namespace detail

template <class C>
concept Cell = std::derived_from<C, Module> && requires(typename C::Options o) {
  { o.input } -> std::convertible_to<Index>;
  { o.hidden } -> std::convertible_to<Index>;
  typename C::State;
} &&(detail::StepsAlone<C> || detail::StepsWithBegun<C>)&&detail::HasOutput<C>;

// The hooks of a cell, with what stands in for those it lacks.
template <Cell C>
typename C::State step(const C& cell, const Tensor& x, const typename C::State& s,
                       const detail::Begun<C>& begun) {
  if constexpr (detail::StepsWithBegun<C>)
    return cell.step(x, s, begun);
  else
    return cell.step(x, s);
}

template <Cell C>
Tensor output(const C& cell, const typename C::State& s) {
  if constexpr (requires { cell.output(s); })
    return cell.output(s);
  else
    return s.h;
}

template <Cell C>
typename C::State initial_state(const C& cell, Index batch) {
  if constexpr (requires { cell.initial_state(batch); }) {
    return cell.initial_state(batch);
  } else {
    typename C::State s{};
    for_each_tensor(s, [&](Tensor& x) { x = zeros({batch, cell.options.hidden}, cell.dtype()); });
    return s;
  }
}

// One step of a cell by itself, with all its hooks: x_t [batch, input].
template <Cell C>
typename C::State apply(const C& cell, const Tensor& x, const typename C::State& s) {
  const Scope here(cell);
  unroll::detail::require_defined("cell", "x", x);
  const auto begun = detail::begin_cell(cell, x.size(0));
  if constexpr (HasProject<C>)
    return step(cell, select(cell.project(reshape(x, x.shape().inserted(0, 1))), 0, 0), s, begun);
  else
    return step(cell, x, s, begun);
}

}  // namespace unroll::nn
