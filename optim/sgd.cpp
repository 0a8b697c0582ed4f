#include <unroll/optim/detail/common.h>
#include <unroll/optim/sgd.h>

namespace unroll::optim {

SGD::SGD(std::span<const Tensor> parameters, const SGDOptions& options) : OptimizerWith("sgd") {
  add(parameters, options);
}

void SGD::check(const SGDOptions& o) const {
  const auto require = [this](auto... option) { this->require(option...); };
  detail::check_below_one("momentum", o.momentum, "0 <= momentum < 1", require);
  detail::check_below_one("dampening", o.dampening, "0 <= dampening < 1", require);
  require(detail::is_amount(o.weight_decay), "weight_decay", o.weight_decay, "weight_decay >= 0");
  require(o.momentum > 0 || !o.nesterov, "momentum", o.momentum, "momentum > 0 with nesterov");
  require(o.momentum > 0 || o.dampening == 0, "momentum", o.momentum,
          "momentum > 0 with dampening");
  require(!o.nesterov || o.dampening == 0, "dampening", o.dampening, "no dampening with nesterov");
}

detail::Plan SGD::plan(Index group, double lr, Index steps) const {
  const SGDOptions& o = options_of(group);
  detail::Plan plan;
  plan.update.rate = lr;
  plan.update.decay = o.weight_decay;
  if (o.momentum > 0) {
    plan.rule = detail::Rule::momentum;
    plan.update.beta1 = o.momentum;
    plan.update.intake = steps == 1 ? 1 : 1 - o.dampening;
    plan.update.of_gradient = o.nesterov ? 1 : 0;
    plan.update.of_first = o.nesterov ? o.momentum : 1;
  }
  // Without momentum and decay, a gradient of zero changes no bit.
  plan.all_rows = o.sparse == Sparse::exact && (o.momentum > 0 || o.weight_decay > 0);
  return plan;
}

std::string SGD::describe_options(Index group) const {
  const SGDOptions& o = options_of(group);
  return detail::option_text({{"momentum", o.momentum}}) + (o.nesterov ? ", nesterov" : "") +
         (o.dampening > 0 ? detail::option_text({{"dampening", o.dampening}}) : "") +
         detail::option_text({{"weight_decay", o.weight_decay}}) + detail::sparse_text(o);
}

}  // namespace unroll::optim
