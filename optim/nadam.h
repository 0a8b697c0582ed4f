#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll::optim {

struct NAdamOptions {
  double lr = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double momentum_decay = 4e-3;
  double weight_decay = 0;  // times the parameter, added to the gradient
  Sparse sparse = Sparse::exact;
};

// Adam with Nesterov momentum (Dozat 2016): m and v as in Adam,
//   μₜ = beta1 · (1 - 0.96^(t · momentum_decay) / 2),  Πₜ = μ₁ · … · μₜ
//   p -= lr · (μₜ₊₁ · m / (1 - Πₜ₊₁) + (1 - μₜ) · g / (1 - Πₜ)) / (√(v / (1 - beta2ᵗ)) + epsilon)
class NAdam final : public OptimizerWith<NAdamOptions> {
 public:
  explicit NAdam(std::span<const Tensor> parameters, const NAdamOptions& options = {});

 private:
  void check(const NAdamOptions& options) const override;
  detail::Plan plan(Index group, double lr, Index steps) const override;
  std::string describe_options(Index group) const override;
};

}  // namespace unroll::optim
