#include <unroll/optim/detail/common.h>
#include <unroll/optim/rmsprop.h>

namespace unroll::optim {

RMSprop::RMSprop(std::span<const Tensor> parameters, const RMSpropOptions& options)
    : OptimizerWith("rmsprop") {
  add(parameters, options);
}

void RMSprop::check(const RMSpropOptions& o) const {
  const auto require = [this](auto... option) { this->require(option...); };
  detail::check_below_one("alpha", o.alpha, "0 <= alpha < 1", require);
  detail::check_below_one("momentum", o.momentum, "0 <= momentum < 1", require);
  detail::check_epsilon_and_decay(o, require);
}

detail::Plan RMSprop::plan(Index group, double lr, Index /*steps*/) const {
  const RMSpropOptions& o = options_of(group);
  using enum detail::Rule;
  detail::Plan plan{.rule = o.momentum > 0
                                ? (o.centred ? rmsprop_centred_momentum : rmsprop_momentum)
                                : (o.centred ? rmsprop_centred : rmsprop),
                    .all_rows = o.sparse == Sparse::exact};
  plan.update.rate = lr;
  plan.update.beta1 = o.momentum;
  plan.update.beta2 = o.alpha;
  plan.update.epsilon = o.epsilon;
  plan.update.decay = o.weight_decay;
  return plan;
}

std::string RMSprop::describe_options(Index group) const {
  const RMSpropOptions& o = options_of(group);
  return detail::option_text({{"alpha", o.alpha},
                              {"epsilon", o.epsilon},
                              {"momentum", o.momentum},
                              {"weight_decay", o.weight_decay}}) +
         (o.centred ? ", centred" : "") + detail::sparse_text(o);
}

}  // namespace unroll::optim
