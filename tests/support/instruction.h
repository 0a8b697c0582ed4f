#pragma once

#include <unroll/autograd/autograd.h>

#include <vector>

#include "support/registered_call.h"

namespace unroll::test {

// One step of a program of tensor operations.
struct Instruction {
  enum class Kind {
    select,
    slice,
    transpose,
    reshape,
    split,
    expand,
    contiguous,
    stack,
    concat,
    tanh,
    add,
    sub,
    mul,
    scale,
    gate,
    matmul,
    affine,
    affine_sum,
    embedding,
    sum,
    mean,
    softmax,
    cross_entropy,
    registered,
  };
  Kind kind = Kind::tanh;
  std::vector<std::size_t> operands = {};  // indices of values
  Index axis = 0;
  Index from = 0, to = 0, step = 1;
  Shape shape = {};
  Tensor ids = {};
  RegisteredCall call = {};
};

// What it makes of the values that there are; its operands are indices of these.
std::vector<Tensor> execute(const Instruction& i, const std::vector<Tensor>& values);
const char* name_of(Instruction::Kind kind);

}  // namespace unroll::test
