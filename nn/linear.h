#pragma once

#include <unroll/nn/module.h>

#include <optional>

namespace unroll::nn {

// y = x·W + b for x [..., input] → [..., output].
class Linear : public Module {
 public:
  struct Options {
    Index input = 0;
    Index output = 0;
    bool bias = true;
    init::Init init = init::xavier();
  };
  explicit Linear(Options o);

  Tensor operator()(const Tensor& x) const;

  const Options options;
  Parameter W;                 // [input, output]
  std::optional<Parameter> b;  // [output]
};

}  // namespace unroll::nn
