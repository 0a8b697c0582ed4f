#pragma once

#include <unroll/optim/optimizer.h>

namespace unroll::optim {

struct SGDOptions {
  double lr = 1e-2;
  double momentum = 0;
  double weight_decay = 0;  // times the parameter, added to the gradient
  bool nesterov = false;    // needs momentum
  Sparse sparse = Sparse::exact;
};

// Stochastic gradient descent, with momentum as in Sutskever et al. 2013 without dampening:
//   m = momentum · m + g;  p -= lr · m   (nesterov: p -= lr · (g + momentum · m))
// Without momentum and decay a row-sparse gradient touches its own rows only.
class SGD final : public Optimizer {
 public:
  using Options = SGDOptions;

  explicit SGD(std::span<const Tensor> parameters, const SGDOptions& options = {});
  void add(std::span<const Tensor> parameters, const SGDOptions& options = {});

 private:
  detail::Plan plan(Index group, double lr, Index steps) const override;
  std::string describe_options(Index group) const override;

  std::vector<SGDOptions> options_;
};

}  // namespace unroll::optim
