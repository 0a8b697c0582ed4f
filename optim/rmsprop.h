#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll::optim {

struct RMSpropOptions {
  double lr = 1e-2;
  double alpha = 0.99;
  double epsilon = 1e-8;
  double momentum = 0;
  double weight_decay = 0;  // times the parameter, added to the gradient
  bool centred = false;
  Sparse sparse = Sparse::exact;
};

// RMSprop (Tieleman and Hinton 2012):
//   v = alpha · v + (1 - alpha) · g²;  d = g / (√v + epsilon);  p -= lr · d
// centred (Graves 2013): v - a² in place of v, with a = alpha · a + (1 - alpha) · g; where rounding
// makes it negative, 0. With momentum: m = momentum · m + d; p -= lr · m.
// Without momentum and decay a gradient of zero changes moments only.
class RMSprop final : public OptimizerWith<RMSpropOptions> {
 public:
  explicit RMSprop(std::span<const Tensor> parameters, const RMSpropOptions& options = {});

 private:
  void check(const RMSpropOptions& options) const override;
  detail::Plan plan(Index group, double lr, Index steps) const override;
  std::string describe_options(Index group) const override;
};

}  // namespace unroll::optim
