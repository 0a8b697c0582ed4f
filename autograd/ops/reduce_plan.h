#pragma once

#include <unroll/autograd/operation.h>
#include <unroll/autograd/ops/reduce.h>

#include <array>
#include <string_view>
#include <vector>

// What all reductions share: which axes go, and how x lies around them.
namespace unroll::detail {

// Which axes go, and the shapes with them at extent 1 and without them.
struct ReducePlan {
  std::array<bool, Shape::max_rank> gone{};
  Shape kept;
  Shape result;
  Index count = 1;  // elements that make one

  bool is_gone(Index axis) const { return gone[static_cast<std::size_t>(axis)]; }
};
// axes: null for all.
ReducePlan plan_reduction(std::string_view operation, const Tensor& x, const Axes* axes,
                          bool keepdim);
// Throws where a result would be made of no elements.
void require_elements(std::string_view operation, const Tensor& x, const ReducePlan& plan);

// x as [outer, count, inner] with the reduced axes in the middle; a copy where they are not
// neighbours.
struct Block {
  Tensor hold;
  Index outer = 1, count = 1, inner = 1;
};
Block block_of(const Tensor& x, const ReducePlan& plan);

// x with the reduced axes last, [results, count], dense and without history.
Tensor dense_rows(const Tensor& x, const ReducePlan& plan);
// The same by operations of the library, and the way back to the shape of x.
Tensor to_rows(const Tensor& x, const ReducePlan& plan);
Tensor from_rows(const Tensor& rows, const ReducePlan& plan, const Shape& shape);
// Row-major position in x of element k of row `row` of such rows.
Index position_in(const Shape& shape, const ReducePlan& plan, Index row, Index k);

// Σ of one number for each element, in double, for every result; in an order that depends on the
// shape alone.
enum class Term {
  plain,      // x
  deviation,  // x - shift
  squared,    // (x - shift)²
  magnitude,  // |x|
};
// shifts: one for each result; null: 0.
std::vector<double> sum_terms(const Block& b, Term term, const double* shifts = nullptr);

// Check rows of a reduction over the axes that are awkward.
using AxesFunction = Tensor (*)(const Tensor&, const Axes&, bool keepdim);
Check reduce_check(AxesFunction f, const CheckInput& x = {});

}  // namespace unroll::detail
