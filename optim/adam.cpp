#include <unroll/optim/adam.h>
#include <unroll/optim/detail/adam_rule.h>

namespace unroll::optim {

Adam::Adam(std::span<const Tensor> parameters, const AdamOptions& options) : Optimizer("adam") {
  add(parameters, options);
}

void Adam::add(std::span<const Tensor> parameters, const AdamOptions& options) {
  detail::check_adam(options, [this](auto... option) { require(option...); });
  detail::reserve_one_more(options_);
  add_group(parameters, options.lr);
  options_.push_back(options);
}

detail::Plan Adam::plan(Index group, double lr, Index steps) const {
  const AdamOptions& o = options_[static_cast<std::size_t>(group)];
  detail::Plan plan = detail::adam_plan(o, lr, steps);
  plan.update.decay = o.weight_decay;
  return plan;
}

std::string Adam::describe_options(Index group) const {
  return detail::adam_text(options_[static_cast<std::size_t>(group)]);
}

}  // namespace unroll::optim
