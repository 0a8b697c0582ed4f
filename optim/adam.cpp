#include <unroll/optim/adam.h>
#include <unroll/optim/detail/common.h>

namespace unroll::optim {

Adam::Adam(std::span<const Tensor> parameters, const AdamOptions& options) : OptimizerWith("adam") {
  add(parameters, options);
}

void Adam::check(const AdamOptions& o) const {
  const auto require = [this](auto... option) { this->require(option...); };
  detail::check_adam(o, require);
}

detail::Plan Adam::plan(Index group, double lr, Index steps) const {
  const AdamOptions& o = options_of(group);
  detail::Plan plan = detail::adam_plan(o, lr, steps);
  plan.update.decay = o.weight_decay;
  return plan;
}

std::string Adam::describe_options(Index group) const {
  return detail::adam_text(options_of(group));
}

}  // namespace unroll::optim
