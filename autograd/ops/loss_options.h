#pragma once

#include <unroll/autograd/tensor.h>

namespace unroll {

// How the losses of many positions become one: their mean over those that count, their sum, or not
// at all.
enum class Reduction { mean, sum, none };

// What every loss can be told. Options of a single loss come before these in its own struct.
//
// weights are constants that broadcast to the losses, of any dtype: each loss is multiplied with
// its weight. A mask is weights of 0 and 1. Where the weight is 0, the position does not count:
// whatever it holds, NaN included, changes no bit, and its gradient is 0. The mean divides by the
// sum of the weights; where nothing counts, or there is nothing, it is 0 with gradient 0. Throws
// for weights that are not finite, that are negative in a mean, or that have a history.
//
// Sums are taken in double in an order that depends on the shape alone.
struct LossOptions {
  Tensor weights = {};  // undefined: all 1
  Reduction reduction = Reduction::mean;
};

}  // namespace unroll
