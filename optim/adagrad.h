#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll::optim {

struct AdagradOptions {
  double lr = 1e-2;
  double lr_decay = 0;
  double epsilon = 1e-10;
  double initial = 0;       // what s starts from
  double weight_decay = 0;  // times the parameter, added to the gradient
  Sparse sparse = Sparse::exact;
};

// Adagrad (Duchi, Hazan and Singer 2011): with t steps of this parameter so far,
//   s += g²;  p -= lr / (1 + (t - 1) · lr_decay) · g / (√s + epsilon)
// Without decay a row-sparse gradient touches its own rows only.
class Adagrad final : public OptimizerWith<AdagradOptions> {
 public:
  explicit Adagrad(std::span<const Tensor> parameters, const AdagradOptions& options = {});

 private:
  void check(const AdagradOptions& options) const override;
  detail::Plan plan(Index group, double lr, Index steps) const override;
  std::string describe_options(Index group) const override;
};

}  // namespace unroll::optim
