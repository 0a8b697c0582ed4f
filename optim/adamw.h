#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll::optim {

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;  // times lr: how much of the parameter is taken off
  bool amsgrad = false;        // divide by the largest v so far
  Sparse sparse = Sparse::exact;
};

// Adam with decoupled weight decay (Loshchilov and Hutter 2019): p = (1 - lr · weight_decay) · p,
// then the step of Adam without decay.
class AdamW final : public OptimizerWith<AdamWOptions> {
 public:
  explicit AdamW(std::span<const Tensor> parameters, const AdamWOptions& options = {});

 private:
  void check(const AdamWOptions& options) const override;
  detail::Plan plan(Index group, double lr, Index steps) const override;
  std::string describe_options(Index group) const override;
};

}  // namespace unroll::optim
