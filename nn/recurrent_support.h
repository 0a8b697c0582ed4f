#pragma once

#include <unroll/autograd/tensor.h>

#include <span>
#include <string>
#include <vector>

// What the lifter needs and no template decides.
namespace unroll::nn::detail {

// Which rows of a batch of sequences are valid at which steps.
class Lengths {
 public:
  Lengths() = default;  // all steps of all rows
  // Throws unless there is a length in 0 … T for every row of x [T, B, F].
  Lengths(std::span<const Index> lengths, const Tensor& x);

  bool given() const { return mask_.defined(); }
  bool all_valid(Index step) const { return !given() || step < shortest_; }
  bool none_valid(Index step) const { return given() && step >= longest_; }
  // x [T, B, F] with zeros where a step is not valid, whatever stood there.
  Tensor zero_padded(const Tensor& x) const;
  // `then` in rows that are valid at a step, `otherwise` (0 where it is undefined) in the others.
  // Chosen, not multiplied: NaN in what is not chosen leaves no trace.
  Tensor choose(Index step, const Tensor& then, const Tensor& otherwise = {}) const;

 private:
  Index shortest_ = 0;
  Index longest_ = 0;
  Tensor mask_;  // [T, B], 1 where valid
};

// A layer's input: [T, B, F].
void check_sequence(const Tensor& x);

// What a tensor of an initial state must be: a row for each row of x, and, where every field is
// known to be [batch, hidden], that, in the cell's dtype. Anything else might broadcast.
struct InitialTensor {
  Index batch = 0;
  Index hidden = -1;  // -1: the cell makes its own initial state, of any shape
  DType dtype = f32;

  bool fits(const Tensor& x) const {
    return x.rank() > 0 && x.size(0) == batch &&
           (hidden < 0 || (x.rank() == 2 && x.size(1) == hidden && x.dtype() == dtype));
  }
};

// Throws for a tensor of an initial state that does not fit, or that a recorded operation could not
// take: undefined, or of a tape that has ended. `kind` is the layer's ("lstm"), `name` the tensor's
// ("initial.forward[0].h").
void check_initial(const char* kind, const std::string& name, const Tensor& x,
                   const InitialTensor& needed);

void check_state_size(const char* kind, const char* direction, std::size_t given, Index layers);

// The size of a wrapped cell: set by the layer, or the same by the user.
void set_size(const char* kind, const char* name, Index& of_cell, Index wanted);

}  // namespace unroll::nn::detail
