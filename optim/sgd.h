#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll::optim {

struct SGDOptions {
  double lr = 1e-2;
  double momentum = 0;
  double dampening = 0;     // needs momentum
  double weight_decay = 0;  // times the parameter, added to the gradient
  bool nesterov = false;    // needs momentum, without dampening
  Sparse sparse = Sparse::exact;
};

// Stochastic gradient descent, with momentum as in Sutskever et al. 2013:
//   m = momentum · m + (1 - dampening) · g, the first m = g;  p -= lr · m
//   nesterov: p -= lr · (g + momentum · m)
// Without momentum and decay a row-sparse gradient touches its own rows only.
class SGD final : public OptimizerWith<SGDOptions> {
 public:
  explicit SGD(std::span<const Tensor> parameters, const SGDOptions& options = {});

 private:
  void check(const SGDOptions& options) const override;
  detail::Plan plan(Index group, double lr, Index steps) const override;
  std::string describe_options(Index group) const override;
};

}  // namespace unroll::optim
