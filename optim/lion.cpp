#include <unroll/optim/detail/common.h>
#include <unroll/optim/lion.h>

namespace unroll::optim {

Lion::Lion(std::span<const Tensor> parameters, const LionOptions& options) : OptimizerWith("lion") {
  add(parameters, options);
}

void Lion::check(const LionOptions& o) const {
  const auto require = [this](auto... option) { this->require(option...); };
  detail::check_below_one("beta1", o.beta1, "0 <= beta1 < 1", require);
  detail::check_below_one("beta2", o.beta2, "0 <= beta2 < 1", require);
  require(detail::is_amount(o.weight_decay), "weight_decay", o.weight_decay, "weight_decay >= 0");
}

detail::Plan Lion::plan(Index group, double lr, Index /*steps*/) const {
  const LionOptions& o = options_of(group);
  detail::Plan plan{.rule = detail::Rule::lion, .all_rows = o.sparse == Sparse::exact};
  plan.update.rate = lr;
  plan.update.beta1 = o.beta1;
  plan.update.beta2 = o.beta2;
  plan.update.keep = 1 - lr * o.weight_decay;
  return plan;
}

std::string Lion::describe_options(Index group) const {
  const LionOptions& o = options_of(group);
  return detail::option_text(
             {{"beta1", o.beta1}, {"beta2", o.beta2}, {"weight_decay", o.weight_decay}}) +
         detail::sparse_text(o);
}

}  // namespace unroll::optim
