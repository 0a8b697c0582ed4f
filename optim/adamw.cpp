#include <unroll/optim/adamw.h>
#include <unroll/optim/detail/adam_rule.h>

namespace unroll::optim {

AdamW::AdamW(std::span<const Tensor> parameters, const AdamWOptions& options) : Optimizer("adamw") {
  add(parameters, options);
}

void AdamW::add(std::span<const Tensor> parameters, const AdamWOptions& options) {
  detail::check_adam(options, [this](auto... option) { require(option...); });
  detail::reserve_one_more(options_);
  add_group(parameters, options.lr);
  options_.push_back(options);
}

detail::Plan AdamW::plan(Index group, double lr, Index steps) const {
  const AdamWOptions& o = options_[static_cast<std::size_t>(group)];
  detail::Plan plan = detail::adam_plan(o, lr, steps);
  plan.update.keep = 1 - lr * o.weight_decay;
  return plan;
}

std::string AdamW::describe_options(Index group) const {
  return detail::adam_text(options_[static_cast<std::size_t>(group)]);
}

}  // namespace unroll::optim
