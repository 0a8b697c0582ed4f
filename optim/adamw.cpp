#include <unroll/optim/adamw.h>
#include <unroll/optim/detail/common.h>

namespace unroll::optim {

AdamW::AdamW(std::span<const Tensor> parameters, const AdamWOptions& options)
    : OptimizerWith("adamw") {
  add(parameters, options);
}

void AdamW::check(const AdamWOptions& o) const {
  const auto require = [this](auto... option) { this->require(option...); };
  detail::check_adam(o, require);
}

detail::Plan AdamW::plan(Index group, double lr, Index steps) const {
  const AdamWOptions& o = options_of(group);
  detail::Plan plan = detail::adam_plan(o, lr, steps);
  plan.update.keep = 1 - lr * o.weight_decay;
  return plan;
}

std::string AdamW::describe_options(Index group) const {
  return detail::adam_text(options_of(group));
}

}  // namespace unroll::optim
