#pragma once

#include <unroll/autograd/autograd.h>

#include <string>

namespace unroll::test {

// A parameter without a module: a leaf with these values and this path.
Tensor make_parameter(const Tensor& values, const std::string& path);
// What an optimiser's step is to a tape: other values, a new version.
void overwrite(const Tensor& parameter, double value, Index step);
void freeze(const Tensor& parameter, bool frozen = true);

}  // namespace unroll::test
