#pragma once

#include <unroll/autograd/ops/choose.h>
#include <unroll/autograd/ops/dropout.h>
#include <unroll/nn/wrapper.h>

namespace unroll::nn {

// A cell whose state's elements keep their value through a step with some probability; Krueger et
// al. 2017. Under a training tape each element of each step is drawn anew; elsewhere, and after
// eval(), the expectation: rate s + (1 - rate) s'.
template <Cell C>
class Zoneout : public C {
 public:
  struct Options {
    Index input = 0;
    Index hidden = 0;
    double h_rate = 0;  // of the field h of the state
    double c_rate = 0;  // of all its other tensors
    typename C::Options cell = {};
  };
  using State = typename C::State;

  explicit Zoneout(Options o) : C(detail::options_of_cell<C>(o)), options(std::move(o)) {
    detail::require_rate("zoneout", "h_rate", options.h_rate);
    detail::require_rate("zoneout", "c_rate", options.c_rate);
  }

  detail::Begun<C> begin(Index batch) const { return detail::begin_cell<C>(*this, batch); }

  State step(const Tensor& x, const State& s, const detail::Begun<C>& w) const {
    State next = nn::step<C>(*this, x, s, w);
    if (options.h_rate == 0 && options.c_rate == 0) return next;
    std::vector<const Tensor*> before;
    for_each_tensor(s, [&](const Tensor& t) { before.push_back(&t); });
    std::size_t i = 0;
    for_each_tensor(next, [&](Tensor& t) {
      const double rate = detail::is_h(next, &t) ? options.h_rate : options.c_rate;
      const Tensor& kept = *before.at(i++);
      if (rate == 0 || !is_floating(t.dtype())) return;
      t = this->is_training() ? where(dropout_mask(t.shape(), rate, t.dtype()), t, kept)
                              : detail::between(t, kept, rate);
    });
    return next;
  }
  State operator()(const Tensor& x, const State& s) const { return apply(*this, x, s); }

  const Options options;
};

}  // namespace unroll::nn
