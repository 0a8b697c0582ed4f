#pragma once

#include <unroll/optim/detail/plan.h>
#include <unroll/optim/optimizer.h>

#include <cmath>

// What Adam and its relatives have in common; Options is that of any of them.
namespace unroll::optim::detail {

// The step of Adam without decay, as the `steps`th.
template <class Options>
Plan adam_plan(const Options& o, double lr, Index steps) {
  const auto t = static_cast<double>(steps);
  Plan plan{.rule = Rule::adam, .all_rows = o.sparse == Sparse::exact};
  plan.update.beta1 = o.beta1;
  plan.update.beta2 = o.beta2;
  plan.update.epsilon = o.epsilon;
  plan.update.rate = lr / (1 - std::pow(o.beta1, t));
  plan.update.root = 1 / std::sqrt(1 - std::pow(o.beta2, t));
  if constexpr (requires { o.amsgrad; })
    if (o.amsgrad) plan.rule = Rule::amsgrad;
  return plan;
}

template <class Options>
std::string sparse_text(const Options& o) {
  return o.sparse == Sparse::lazy ? ", sparse lazy" : "";
}

template <class Options>
std::string adam_text(const Options& o) {
  std::string text = option_text({{"beta1", o.beta1}, {"beta2", o.beta2}, {"epsilon", o.epsilon}});
  text += option_text({{"weight_decay", o.weight_decay}});
  if constexpr (requires { o.amsgrad; })
    if (o.amsgrad) text += ", amsgrad";
  return text + sparse_text(o);
}

// Calls require(holds, option, value, needed) for each option.
template <class Require>
void check_below_one(const char* option, double value, const char* needed, const Require& require) {
  require(value >= 0 && value < 1, option, value, needed);
}
template <class Options, class Require>
void check_epsilon_and_decay(const Options& o, const Require& require) {
  require(o.epsilon > 0 && std::isfinite(o.epsilon), "epsilon", o.epsilon, "epsilon > 0");
  require(is_amount(o.weight_decay), "weight_decay", o.weight_decay, "weight_decay >= 0");
}
template <class Options, class Require>
void check_adam(const Options& o, const Require& require) {
  check_below_one("beta1", o.beta1, "0 <= beta1 < 1", require);
  check_below_one("beta2", o.beta2, "0 <= beta2 < 1", require);
  check_epsilon_and_decay(o, require);
}

}  // namespace unroll::optim::detail
