#pragma once

#include <unroll/autograd/operation.h>

#include <span>
#include <vector>

// A case of any registered operation, called with whatever tensors a program has.
namespace unroll::test {

struct RegisteredCall {
  const CheckCase* check_case = nullptr;
  const char* name = "";
  std::vector<Shape> shapes = {};      // of its operands
  std::vector<Tensor> constants = {};  // ids, or what a spaced operand is made of; else undefined

  // The operands are made of `values`, smoothly, where the check row wants them.
  Tensor operator()(std::span<const Tensor> values) const;
};

struct RegisteredCheck {
  const char* name;
  Check check;
};
// Of every registered operation that can be differentiated twice.
const std::vector<RegisteredCheck>& registered_checks();

}  // namespace unroll::test
