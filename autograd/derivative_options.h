#pragma once

#include <unroll/autograd/index.h>

#include <cstdint>

namespace unroll {

// How a function is evaluated by gradient(), vjp(), jvp() and their like.
struct DerivativeOptions {
  bool training = false;   // dropout and its relatives act
  std::uint64_t seed = 1;  // of their masks: calls with one seed see the same masks
};

// Rows take a reverse pass for each element of y, columns one for each of x, which costs about as
// much.
enum class JacobianBy { cheaper, rows, columns };

struct JacobianOptions {
  JacobianBy by = JacobianBy::cheaper;
  bool training = false;
  std::uint64_t seed = 1;
};

struct PerSampleOptions {
  Index axis = 0;          // of the samples in every tensor of the batch; 1 where time comes first
  bool training = false;   // each sample with masks of its own
  std::uint64_t seed = 1;  // of all these
};

}  // namespace unroll
