#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll::optim {

struct LionOptions {
  double lr = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.99;
  double weight_decay = 0;  // times lr: how much of the parameter is taken off
  Sparse sparse = Sparse::exact;
};

// Lion (Chen et al. 2023), with sign(0) = 0:
//   p = (1 - lr · weight_decay) · p - lr · sign(beta1 · m + (1 - beta1) · g)
//   m = beta2 · m + (1 - beta2) · g
// Its steps are larger than those of Adam: a third to a tenth of the rate, and more decay.
class Lion final : public OptimizerWith<LionOptions> {
 public:
  explicit Lion(std::span<const Tensor> parameters, const LionOptions& options = {});

 private:
  void check(const LionOptions& options) const override;
  detail::Plan plan(Index group, double lr, Index steps) const override;
  std::string describe_options(Index group) const override;
};

}  // namespace unroll::optim
