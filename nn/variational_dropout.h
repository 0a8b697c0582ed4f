#pragma once

#include <unroll/autograd/ops/dropout.h>
#include <unroll/nn/wrapper.h>

namespace unroll::nn {

// Dropout with one mask for all steps of a sequence, under a training tape: of the inputs, and of h
// where the recurrent products see it; Gal and Ghahramani 2016. What a cell carries on by itself,
// as the (1 - z) h of a GRU, is not dropped. A cell of one's own whose begin() does not return a
// RecurrentWeights (or a struct with Wh and h_mask) gets a masked h as its state.
template <Cell C>
class VariationalDropout : public C {
 public:
  struct Options {
    Index input = 0;
    Index hidden = 0;
    double input_rate = 0;
    double state_rate = 0;
    typename C::Options cell = {};
  };
  using State = typename C::State;
  static constexpr bool projects_each_step = nn::projects_each_step<C>;
  struct Begun {
    detail::Begun<C> cell;
    Tensor input_mask;  // [B, input]
    Tensor state_mask;  // [B, size of h], where the cell's own begin() has no place for it
  };

  explicit VariationalDropout(Options o) : C(detail::options_of_cell<C>(o)), options(std::move(o)) {
    detail::require_rate("variational_dropout", "input_rate", options.input_rate);
    detail::require_rate("variational_dropout", "state_rate", options.state_rate);
  }

  Begun begin(Index batch) const {
    Begun begun{.cell = detail::begin_cell<C>(*this, batch), .input_mask = {}, .state_mask = {}};
    if (!this->is_training()) return begun;
    if (options.input_rate > 0)
      begun.input_mask = dropout_mask({batch, options.input}, options.input_rate, this->dtype());
    if (options.state_rate > 0) {
      if constexpr (inside) {
        detail::for_each_weights(begun.cell, [&](auto& first, auto&... others) {
          const Tensor mask =
              dropout_mask({batch, first.Wh.size(0)}, options.state_rate, this->dtype());
          first.h_mask = first.h_mask.defined() ? first.h_mask * mask : mask;
          ((others.h_mask = first.h_mask), ...);
        });
      } else {
        const Shape shape = nn::initial_state<C>(*this, batch).h.shape();
        begun.state_mask = dropout_mask(shape, options.state_rate, this->dtype());
      }
    }
    return begun;
  }

  Tensor project(const Tensor& x, const Begun& w) const {
    return nn::project<C>(*this, w.input_mask.defined() ? x * w.input_mask : x, w.cell);
  }

  State step(const Tensor& x, const State& s, const Begun& w) const {
    if constexpr (!inside) {
      if (w.state_mask.defined()) {
        State seen = s;
        seen.h = s.h * w.state_mask;
        return nn::step<C>(*this, x, seen, w.cell);
      }
    }
    return nn::step<C>(*this, x, s, w.cell);
  }
  State operator()(const Tensor& x, const State& s) const { return apply(*this, x, s); }

  const Options options;

 private:
  static constexpr bool inside = detail::all_weights<detail::Begun<C>, detail::HasMask>();
  static_assert(
      inside || requires(State & s) { s.h = Tensor(); },
      "VariationalDropout masks the field h of a state; put it around the cells of a "
      "Stack, not around the Stack");
};

}  // namespace unroll::nn
