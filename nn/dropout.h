#pragma once

#include <unroll/nn/module.h>

namespace unroll::nn {

// Zeroes each element with probability `rate` and scales the others by 1 / (1 - rate), under a
// training tape or an nn::Training; elsewhere, and after eval(), the identity.
class Dropout : public Module {
 public:
  struct Options {
    double rate = 0;
  };
  explicit Dropout(Options o);

  Tensor operator()(const Tensor& x) const;

  const Options options;
};

}  // namespace unroll::nn
