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
//                                                  steps, not those of the input, are what step()
//                                                  gets as x
//   static constexpr bool projects_each_step = true   where project() makes each step of its result
//                                                  from that step of the sequence alone, so that
//                                                  the layer may hand it a sequence in pieces
//   Begun begin(Index batch) const                 once per call of the layer; what it returns is
//                                                  the last argument of every step(), and of
//                                                  project() where that has two
//   State initial_state(Index batch) const         else zeros [batch, hidden] in every field
//   Tensor output(const State& s) const            else s.h
//   Index output_size() const                      last extent of the output; else hidden
namespace unroll::nn {

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
concept ProjectsWithBegun = requires(const C& c, const Tensor& x, const Begun<C>& w) {
  { c.project(x, w) } -> std::convertible_to<Tensor>;
};

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
concept HasProject = detail::ProjectsWithBegun<C> || requires(const C& c, const Tensor& x) {
  { c.project(x) } -> std::convertible_to<Tensor>;
};

// Whether what project() makes of a sequence is the same in pieces.
template <class C>
inline constexpr bool projects_each_step = !HasProject<C>;
template <class C>
requires requires { C::projects_each_step; }
inline constexpr bool projects_each_step<C> = C::projects_each_step;

template <class C>
concept Cell = std::derived_from<C, Module> && requires(typename C::Options o) {
  { o.input } -> std::convertible_to<Index>;
  { o.hidden } -> std::convertible_to<Index>;
  typename C::State;
} &&(detail::StepsAlone<C> || detail::StepsWithBegun<C>)&&detail::HasOutput<C>;

// The hooks of a cell, with what stands in for those it lacks.
template <Cell C>
Tensor project(const C& cell, const Tensor& sequence, const detail::Begun<C>& begun) {
  if constexpr (detail::ProjectsWithBegun<C>)
    return cell.project(sequence, begun);
  else if constexpr (HasProject<C>)
    return cell.project(sequence);
  else
    return sequence;
}

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

template <Cell C>
Index output_size(const C& cell) {
  if constexpr (requires { cell.output_size(); })
    return cell.output_size();
  else
    return cell.options.hidden;
}

namespace detail {

// What errors call a cell and layers of it.
template <class C>
constexpr const char* kind_of() {
  if constexpr (requires { C::kind; })
    return C::kind;
  else
    return "recurrent";
}

// A step of a cell that begun already: x_t [batch, input], not projected.
template <Cell C>
typename C::State step_from_input(const C& cell, const Tensor& x, const typename C::State& s,
                                  const Begun<C>& begun) {
  if constexpr (HasProject<C>)
    return nn::step(cell,
                    select(nn::project(cell, reshape(x, x.shape().inserted(0, 1)), begun), 0, 0), s,
                    begun);
  else
    return nn::step(cell, x, s, begun);
}

}  // namespace detail

// One step of a cell by itself, with all its hooks: x_t [batch, input].
template <Cell C>
typename C::State apply(const C& cell, const Tensor& x, const typename C::State& s) {
  const Scope here(cell);
  unroll::detail::require_defined("cell", "x", x);
  return detail::after_forward(
      cell, detail::step_from_input(cell, x, s, detail::begin_cell(cell, x.size(0))));
}

}  // namespace unroll::nn
