#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll::optim {

struct AdamaxOptions {
  double lr = 2e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;  // times the parameter, added to the gradient
  Sparse sparse = Sparse::exact;
};

// Adam with the largest gradient in place of the mean square (Kingma and Ba 2015):
//   m = beta1 · m + (1 - beta1) · g;  u = max(beta2 · u, |g| + epsilon)
//   p -= lr · (m / (1 - beta1ᵗ)) / u
class Adamax final : public OptimizerWith<AdamaxOptions> {
 public:
  explicit Adamax(std::span<const Tensor> parameters, const AdamaxOptions& options = {});

 private:
  void check(const AdamaxOptions& options) const override;
  detail::Plan plan(Index group, double lr, Index steps) const override;
  std::string describe_options(Index group) const override;
};

}  // namespace unroll::optim
