#pragma once

#include <unroll/autograd/ops/loss_options.h>

#include <string_view>

// What losses have in common.
namespace unroll::detail {

// The weights of a loss's positions, checked.
struct PositionWeights {
  Tensor each = {};  // in the dtype asked for, broadcasting to the losses; 1 where none were given
  double total = 0;  // over all positions
  bool given = false;
};
PositionWeights position_weights(const char* operation, const Tensor& weights, const Shape& losses,
                                 DType dtype, Reduction reduction);

// Throws where a constant operand has a history on this tape, or another.
void require_constant(const char* operation, std::string_view name, const Tensor& x,
                      std::string_view hint);
void require_same_shape(const char* operation, const Tensor& x, std::string_view target_name,
                        const Tensor& target);

// x where its weight is not 0, else 0, and so is the gradient, whatever flows back there.
Tensor counted(const Tensor& x, const Tensor& weights);

// Losses that are weighted already, 0 where a position does not count, as the options want them.
Tensor reduced(const Tensor& losses, const PositionWeights& weights, Reduction reduction);
// The same for losses that are yet to be weighted.
Tensor weighted_and_reduced(const Tensor& losses, const PositionWeights& weights,
                            Reduction reduction);

// Whole numbers that stand for one of two classes: low or high, and 0 where a position does not
// count. Throws for another.
Tensor two_classes(const char* operation, const Tensor& targets, Index low, Index high, DType dtype,
                   const PositionWeights& weights);

// [...] as a column [..., 1].
Tensor as_column(const Tensor& x);

}  // namespace unroll::detail
