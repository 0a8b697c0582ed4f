#pragma once

#include <unroll/autograd/tensor.h>

#include <string>

namespace unroll::optim {

// A tensor of a saved state under its name.
struct StateEntry {
  std::string name;
  Tensor tensor;
};

}  // namespace unroll::optim
