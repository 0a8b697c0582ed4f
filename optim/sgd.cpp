#include <unroll/optim/detail/plan.h>
#include <unroll/optim/sgd.h>

namespace unroll::optim {

SGD::SGD(std::span<const Tensor> parameters, const SGDOptions& options) : Optimizer("sgd") {
  add(parameters, options);
}

void SGD::add(std::span<const Tensor> parameters, const SGDOptions& options) {
  require(options.momentum >= 0 && options.momentum < 1, "momentum", options.momentum,
          "0 <= momentum < 1");
  require(detail::is_amount(options.weight_decay), "weight_decay", options.weight_decay,
          "weight_decay >= 0");
  require(!options.nesterov || options.momentum > 0, "momentum", options.momentum,
          "momentum > 0 with nesterov");
  detail::reserve_one_more(options_);
  add_group(parameters, options.lr);
  options_.push_back(options);
}

detail::Plan SGD::plan(Index group, double lr, Index /*steps*/) const {
  const SGDOptions& o = options_[static_cast<std::size_t>(group)];
  detail::Plan plan;
  plan.update.rate = lr;
  plan.update.decay = o.weight_decay;
  if (o.momentum > 0) {
    plan.rule = detail::Rule::momentum;
    plan.update.beta1 = o.momentum;
    plan.update.of_gradient = o.nesterov ? 1 : 0;
    plan.update.of_first = o.nesterov ? o.momentum : 1;
  }
  // Without momentum and decay, a gradient of zero changes no bit.
  plan.all_rows = o.sparse == Sparse::exact && (o.momentum > 0 || o.weight_decay > 0);
  return plan;
}

std::string SGD::describe_options(Index group) const {
  const SGDOptions& o = options_[static_cast<std::size_t>(group)];
  return ", momentum " + detail::number_text(o.momentum) + (o.nesterov ? " nesterov" : "") +
         ", weight_decay " + detail::number_text(o.weight_decay) +
         (o.sparse == Sparse::lazy ? ", sparse lazy" : "");
}

}  // namespace unroll::optim
