#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll::optim {

struct RAdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;  // times the parameter, added to the gradient
  Sparse sparse = Sparse::exact;
};

// Rectified Adam (Liu et al. 2020): m and v as in Adam, ρ∞ = 2 / (1 - beta2) - 1 and
// ρ = ρ∞ - 2 t beta2ᵗ / (1 - beta2ᵗ). While ρ <= 5, p -= lr · m / (1 - beta1ᵗ); afterwards
//   p -= lr · r · (m / (1 - beta1ᵗ)) · √(1 - beta2ᵗ) / (√v + epsilon)
//   r² = (ρ - 4) (ρ - 2) ρ∞ / ((ρ∞ - 4) (ρ∞ - 2) ρ)
class RAdam final : public OptimizerWith<RAdamOptions> {
 public:
  explicit RAdam(std::span<const Tensor> parameters, const RAdamOptions& options = {});

 private:
  void check(const RAdamOptions& options) const override;
  detail::Plan plan(Index group, double lr, Index steps) const override;
  std::string describe_options(Index group) const override;
};

}  // namespace unroll::optim
