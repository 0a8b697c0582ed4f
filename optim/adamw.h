#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll::optim {

struct AdamWOptions {
  double lr = 1e-3;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;  // times lr: how much of the parameter is taken off
  Sparse sparse = Sparse::exact;
};

// Adam with decoupled weight decay (Loshchilov and Hutter 2019): p = (1 - lr · weight_decay) · p,
// then the step of Adam without decay.
class AdamW final : public Optimizer {
 public:
  using Options = AdamWOptions;

  explicit AdamW(std::span<const Tensor> parameters, const AdamWOptions& options = {});
  void add(std::span<const Tensor> parameters, const AdamWOptions& options = {});

 private:
  detail::Plan plan(Index group, double lr, Index steps) const override;
  std::string describe_options(Index group) const override;

  std::vector<AdamWOptions> options_;
};

}  // namespace unroll::optim
