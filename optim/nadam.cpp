#include <unroll/optim/detail/common.h>
#include <unroll/optim/nadam.h>

namespace unroll::optim {

NAdam::NAdam(std::span<const Tensor> parameters, const NAdamOptions& options)
    : OptimizerWith("nadam") {
  add(parameters, options);
}

void NAdam::check(const NAdamOptions& o) const {
  const auto require = [this](auto... option) { this->require(option...); };
  detail::check_adam(o, require);
  require(detail::is_amount(o.momentum_decay), "momentum_decay", o.momentum_decay,
          "momentum_decay >= 0");
}

detail::Plan NAdam::plan(Index group, double lr, Index steps) const {
  const NAdamOptions& o = options_of(group);
  const auto t = static_cast<double>(steps);
  const auto mu = [&](double at) {
    return o.beta1 * (1 - 0.5 * std::pow(0.96, at * o.momentum_decay));
  };
  const double ratio = std::pow(0.96, o.momentum_decay);
  double product = 1, fade = 1;  // the product is soon too small to matter
  for (double k = 1; k <= t && product > 1e-20; ++k) {
    fade *= ratio;
    product *= o.beta1 * (1 - 0.5 * fade);
  }
  detail::Plan plan = detail::adam_plan(o, lr, steps);
  plan.rule = detail::Rule::nadam;
  plan.update.rate = lr;
  plan.update.of_gradient = (1 - mu(t)) / (1 - product);
  plan.update.of_first = mu(t + 1) / (1 - product * mu(t + 1));
  plan.update.decay = o.weight_decay;
  return plan;
}

std::string NAdam::describe_options(Index group) const {
  const NAdamOptions& o = options_of(group);
  return detail::option_text({{"momentum_decay", o.momentum_decay}}) + detail::adam_text(o);
}

}  // namespace unroll::optim
