#include <unroll/optim/adamax.h>
#include <unroll/optim/detail/common.h>

namespace unroll::optim {

Adamax::Adamax(std::span<const Tensor> parameters, const AdamaxOptions& options)
    : OptimizerWith("adamax") {
  add(parameters, options);
}

void Adamax::check(const AdamaxOptions& o) const {
  const auto require = [this](auto... option) { this->require(option...); };
  detail::check_adam(o, require);
}

detail::Plan Adamax::plan(Index group, double lr, Index steps) const {
  const AdamaxOptions& o = options_of(group);
  detail::Plan plan = detail::adam_plan(o, lr, steps);
  plan.rule = detail::Rule::adamax;
  plan.update.decay = o.weight_decay;
  return plan;
}

std::string Adamax::describe_options(Index group) const {
  return detail::adam_text(options_of(group));
}

}  // namespace unroll::optim
