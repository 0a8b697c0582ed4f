#pragma once

#include <unroll/nn/normalization.h>
#include <unroll/nn/wrapper.h>

namespace unroll::nn {

// A cell with both of its sums normalised, LN(x·Wx) + LN(h·Wh) + b; Ba, Kiros and Hinton 2016.
// (LayerNormLSTMCell normalises the memory as well.) A cell of one's own whose begin() does not
// return RecurrentWeights gets LN(project(x)), or LN(x) if it has no project(), and LN(h) as its
// state.
template <Cell C>
class LayerNormed : public C {
 public:
  struct Options {
    Index input = 0;
    Index hidden = 0;
    typename C::Options cell = {};
  };
  using State = typename C::State;
  static constexpr bool projects_each_step = nn::projects_each_step<C>;
  using Begun = detail::Begun<C>;

  explicit LayerNormed(Options o)
      : C(detail::options_of_cell<C>(o)),
        options(std::move(o)),
        norm_input(*this, "norm_input", {.size = input_width()}),
        norm_recurrent(*this, "norm_recurrent") {
    const unroll::detail::WithoutTape quiet;
    const Begun probe = detail::begin_cell<C>(*this, 1);
    if constexpr (inside)
      detail::for_each_weights(
          probe, [&](const auto&... w) { (norm_recurrent.add({.size = w.Wh.size(1)}), ...); });
    else
      norm_recurrent.add({.size = nn::initial_state<C>(*this, 1).h.size(1)});
  }

  Begun begin(Index batch) const {
    Begun begun = detail::begin_cell<C>(*this, batch);
    if constexpr (inside) {
      Index next = 0;
      detail::for_each_weights(begun, [&](auto&... w) {
        ((w.norm_input = &norm_input, w.norm_recurrent = &norm_recurrent[next++]), ...);
      });
    }
    return begun;
  }

  Tensor project(const Tensor& x, const Begun& w) const {
    Tensor projected = nn::project<C>(*this, x, w);
    if constexpr (inside)
      return projected;
    else
      return norm_input(projected);
  }

  State step(const Tensor& x, const State& s, const Begun& w) const {
    if constexpr (inside) {
      return nn::step<C>(*this, x, s, w);
    } else {
      State seen = s;
      seen.h = norm_recurrent[0](s.h);
      return nn::step<C>(*this, x, seen, w);
    }
  }
  State operator()(const Tensor& x, const State& s) const { return apply(*this, x, s); }

  const Options options;
  Child<LayerNorm> norm_input;
  List<LayerNorm> norm_recurrent;  // one for each product of h

 private:
  static constexpr bool inside = detail::all_weights<detail::Begun<C>, detail::HasNorms>();
  static_assert(
      inside || requires(State & s) { s.h = Tensor(); },
      "LayerNormed normalises the field h of a state; put it around the cells of a Stack, "
      "not around the Stack");

  Index input_width() const {
    const unroll::detail::WithoutTape quiet;
    return nn::project<C>(*this, zeros({1, 1, options.input}), detail::begin_cell<C>(*this, 1))
        .size(-1);
  }
};

}  // namespace unroll::nn
