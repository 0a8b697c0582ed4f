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

// y = x·Wᵀ + b with a weight [output, input] that belongs to another module, as a head that shares
// the table of an embedding (Press and Wolf 2017): one name, one entry in a file, one summed
// gradient.
//   nn::Child<nn::TiedLinear> head{*this, "head", {.W = &embed.W}};
// The other module must live as long.
class TiedLinear : public Module {
 public:
  struct Options {
    const Parameter* W = nullptr;
    bool bias = true;
  };
  explicit TiedLinear(Options o);

  Tensor operator()(const Tensor& x) const;

  const Options options;
  std::optional<Parameter> b;  // [output]
};

}  // namespace unroll::nn
