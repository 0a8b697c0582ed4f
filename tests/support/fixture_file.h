#pragma once

#include <unroll/autograd/autograd.h>

#include <map>
#include <string>

namespace unroll::test {

// Numbers from PyTorch: the tensors of a file in tests/fixtures, and its metadata.
struct FixtureFile {
  std::map<std::string, Tensor> tensors = {};
  std::map<std::string, std::string> metadata = {};

  const Tensor& operator[](const std::string& name) const { return tensors.at(name); }
};
FixtureFile read_fixture(const std::string& name);

}  // namespace unroll::test
