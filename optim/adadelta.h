#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll::optim {

struct AdadeltaOptions {
  double lr = 1;
  double rho = 0.9;
  double epsilon = 1e-6;
  double weight_decay = 0;  // times the parameter, added to the gradient
  Sparse sparse = Sparse::exact;
};

// Adadelta (Zeiler 2012):
//   v = rho · v + (1 - rho) · g²;  d = g · √(u + epsilon) / √(v + epsilon)
//   u = rho · u + (1 - rho) · d²;  p -= lr · d
class Adadelta final : public OptimizerWith<AdadeltaOptions> {
 public:
  explicit Adadelta(std::span<const Tensor> parameters, const AdadeltaOptions& options = {});

 private:
  void check(const AdadeltaOptions& options) const override;
  detail::Plan plan(Index group, double lr, Index steps) const override;
  std::string describe_options(Index group) const override;
};

}  // namespace unroll::optim
