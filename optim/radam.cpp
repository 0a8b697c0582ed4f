#include <unroll/optim/detail/common.h>
#include <unroll/optim/radam.h>

namespace unroll::optim {

RAdam::RAdam(std::span<const Tensor> parameters, const RAdamOptions& options)
    : OptimizerWith("radam") {
  add(parameters, options);
}

void RAdam::check(const RAdamOptions& o) const {
  const auto require = [this](auto... option) { this->require(option...); };
  detail::check_adam(o, require);
}

detail::Plan RAdam::plan(Index group, double lr, Index steps) const {
  const RAdamOptions& o = options_of(group);
  const auto t = static_cast<double>(steps);
  const double rest = 1 - std::pow(o.beta2, t);
  const double longest = 2 / (1 - o.beta2) - 1;
  const double length = longest - 2 * t * (1 - rest) / rest;
  detail::Plan plan = detail::adam_plan(o, lr, steps);
  plan.update.decay = o.weight_decay;
  if (length > 5) {
    plan.update.rate *= std::sqrt(rest * (length - 4) * (length - 2) * longest /
                                  ((longest - 4) * (longest - 2) * length));
    plan.update.root = 1;
  } else {  // divide by 1
    plan.update.root = 0;
    plan.update.epsilon = 1;
  }
  return plan;
}

std::string RAdam::describe_options(Index group) const {
  return detail::adam_text(options_of(group));
}

}  // namespace unroll::optim
