#include <unroll/optim/adagrad.h>
#include <unroll/optim/detail/common.h>

namespace unroll::optim {

Adagrad::Adagrad(std::span<const Tensor> parameters, const AdagradOptions& options)
    : OptimizerWith("adagrad") {
  add(parameters, options);
}

void Adagrad::check(const AdagradOptions& o) const {
  const auto require = [this](auto... option) { this->require(option...); };
  require(detail::is_amount(o.lr_decay), "lr_decay", o.lr_decay, "lr_decay >= 0");
  require(detail::is_amount(o.initial), "initial", o.initial, "initial >= 0");
  detail::check_epsilon_and_decay(o, require);
}

detail::Plan Adagrad::plan(Index group, double lr, Index steps) const {
  const AdagradOptions& o = options_of(group);
  detail::Plan plan{.rule = detail::Rule::adagrad,
                    .all_rows = o.sparse == Sparse::exact && o.weight_decay > 0,
                    .initial = o.initial};
  plan.update.rate = lr / (1 + static_cast<double>(steps - 1) * o.lr_decay);
  plan.update.epsilon = o.epsilon;
  plan.update.decay = o.weight_decay;
  return plan;
}

std::string Adagrad::describe_options(Index group) const {
  const AdagradOptions& o = options_of(group);
  return detail::option_text({{"lr_decay", o.lr_decay},
                              {"epsilon", o.epsilon},
                              {"initial", o.initial},
                              {"weight_decay", o.weight_decay}}) +
         detail::sparse_text(o);
}

}  // namespace unroll::optim
