#pragma once

#include <unroll/autograd/ops/dropout.h>
#include <unroll/nn/wrapper.h>

namespace unroll::nn {

// A cell whose recurrent weight loses elements, the same at all steps of a sequence, under a
// training tape; Merity, Keskar and Socher 2018. It drops the field Wh of what the cell's begin()
// returned, so a cell of one's own needs a begin() that returns a struct with that.
template <Cell C>
class WeightDrop : public C {
  static_assert(detail::all_weights<detail::Begun<C>, detail::HasWh>(),
                "WeightDrop drops the field Wh of what the cell's begin() returns; there is none");

 public:
  struct Options {
    Index input = 0;
    Index hidden = 0;
    double rate = 0;
    typename C::Options cell = {};
  };
  using State = typename C::State;

  explicit WeightDrop(Options o) : C(detail::options_of_cell<C>(o)), options(std::move(o)) {
    detail::require_rate("weight_drop", "rate", options.rate);
  }

  detail::Begun<C> begin(Index batch) const {
    auto begun = detail::begin_cell<C>(*this, batch);
    if (this->is_training())
      detail::for_each_weights(begun,
                               [&](auto&... w) { ((w.Wh = dropout(w.Wh, options.rate)), ...); });
    return begun;
  }
  State operator()(const Tensor& x, const State& s) const { return apply(*this, x, s); }

  const Options options;
};

}  // namespace unroll::nn
