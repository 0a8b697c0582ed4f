#pragma once

#include <unroll/autograd/autograd.h>
#include <unroll/autograd/operation.h>

#include <array>
#include <functional>
#include <string>

// Ways for an operand of the gradient check to lie in memory and on the tape.
namespace unroll::checks {

enum class Layout {
  dense,
  computed,
  transposed,
  stepped,
  columns,
  rows,
  picked,
  picked_last,
  reshaped,
  repeated_rows,  // zero strides
  repeated_columns
};
inline constexpr std::array all_layouts{
    Layout::dense,    Layout::computed,      Layout::transposed,      Layout::stepped,
    Layout::columns,  Layout::rows,          Layout::picked,          Layout::picked_last,
    Layout::reshaped, Layout::repeated_rows, Layout::repeated_columns};
std::string name_of(Layout layout);

using Unwrap = std::function<Tensor(const Tensor&)>;

// A leaf and how to take the operand from it. `base` is undefined where the operand cannot lie so;
// an empty `unwrap` takes the leaf itself.
struct Laid {
  Tensor base = {};
  Unwrap unwrap = {};
};
Laid lay_out(const Tensor& x, Layout layout);

// The elements that an input of a check row may have, with the shape given.
Tensor draw(const CheckInput& input, const Shape& shape, Rng& rng);

// A tensor with the elements of y that takes them apart and joins them again, so that its gradient
// comes in overlapping pieces.
Tensor in_pieces(const Tensor& y);

}  // namespace unroll::checks
