#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll::optim {

struct AdamOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;  // times the parameter, added to the gradient
  bool amsgrad = false;     // divide by the largest v so far
  Sparse sparse = Sparse::exact;
};

// Adam (Kingma and Ba 2015): with t steps of this parameter so far,
//   m = beta1 · m + (1 - beta1) · g;  v = beta2 · v + (1 - beta2) · g²
//   p -= lr · (m / (1 - beta1ᵗ)) / (√(v / (1 - beta2ᵗ)) + epsilon)
// amsgrad (Reddi, Kale and Kumar 2018): the largest v so far in place of v.
class Adam final : public OptimizerWith<AdamOptions> {
 public:
  explicit Adam(std::span<const Tensor> parameters, const AdamOptions& options = {});

 private:
  void check(const AdamOptions& options) const override;
  detail::Plan plan(Index group, double lr, Index steps) const override;
  std::string describe_options(Index group) const override;
};

}  // namespace unroll::optim
