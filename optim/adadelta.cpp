#include <unroll/optim/adadelta.h>
#include <unroll/optim/detail/common.h>

namespace unroll::optim {

Adadelta::Adadelta(std::span<const Tensor> parameters, const AdadeltaOptions& options)
    : OptimizerWith("adadelta") {
  add(parameters, options);
}

void Adadelta::check(const AdadeltaOptions& o) const {
  const auto require = [this](auto... option) { this->require(option...); };
  detail::check_below_one("rho", o.rho, "0 <= rho < 1", require);
  detail::check_epsilon_and_decay(o, require);
}

detail::Plan Adadelta::plan(Index group, double lr, Index /*steps*/) const {
  const AdadeltaOptions& o = options_of(group);
  detail::Plan plan{.rule = detail::Rule::adadelta, .all_rows = o.sparse == Sparse::exact};
  plan.update.rate = lr;
  plan.update.beta2 = o.rho;
  plan.update.epsilon = o.epsilon;
  plan.update.decay = o.weight_decay;
  return plan;
}

std::string Adadelta::describe_options(Index group) const {
  const AdadeltaOptions& o = options_of(group);
  return detail::option_text(
             {{"rho", o.rho}, {"epsilon", o.epsilon}, {"weight_decay", o.weight_decay}}) +
         detail::sparse_text(o);
}

}  // namespace unroll::optim
