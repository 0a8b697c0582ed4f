#pragma once

#include <unroll/optim/detail/plan.h>

#include <cmath>

// What Adam and AdamW have in common; Options is that of either.
namespace unroll::optim::detail {

// The step without decay, as the `steps`th.
template <class Options>
Plan adam_plan(const Options& o, double lr, Index steps) {
  const auto t = static_cast<double>(steps);
  Plan plan{.rule = Rule::adam, .all_rows = o.sparse == Sparse::exact};
  plan.update.beta1 = o.beta1;
  plan.update.beta2 = o.beta2;
  plan.update.epsilon = o.epsilon;
  plan.update.rate = lr / (1 - std::pow(o.beta1, t));
  plan.update.root = 1 / std::sqrt(1 - std::pow(o.beta2, t));
  return plan;
}

template <class Options>
std::string adam_text(const Options& o) {
  return ", beta1 " + number_text(o.beta1) + ", beta2 " + number_text(o.beta2) + ", epsilon " +
         number_text(o.epsilon) + ", weight_decay " + number_text(o.weight_decay) +
         (o.sparse == Sparse::lazy ? ", sparse lazy" : "");
}

// Calls require(holds, option, value, needed) for each option.
template <class Options, class Require>
void check_adam(const Options& o, const Require& require) {
  require(o.beta1 >= 0 && o.beta1 < 1, "beta1", o.beta1, "0 <= beta1 < 1");
  require(o.beta2 >= 0 && o.beta2 < 1, "beta2", o.beta2, "0 <= beta2 < 1");
  require(o.epsilon > 0 && std::isfinite(o.epsilon), "epsilon", o.epsilon, "epsilon > 0");
  require(is_amount(o.weight_decay), "weight_decay", o.weight_decay, "weight_decay >= 0");
}

}  // namespace unroll::optim::detail
