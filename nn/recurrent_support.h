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

// What a tensor of an initial state must be: a row for each row of x, and, where the shape of a
// state is known, that, in the cell's dtype. Anything else might broadcast.
struct InitialTensor {
  Index batch = 0;
  DType dtype = f32;
  const Shape* row = nullptr;  // [1, ...]; null: of any shape, as the cell likes

  bool fits(const Tensor& x) const {
    return x.rank() > 0 && x.size(0) == batch &&
           (row == nullptr || (x.shape() == row->with(0, batch) && x.dtype() == dtype));
  }
};

// Throws for a tensor of an initial state that does not fit, or that a recorded operation could not
// take: undefined, or of a tape that has ended. `kind` is the layer's ("lstm"), `name` the tensor's
// ("initial.forward[0].h").
void check_initial(const char* kind, const std::string& name, const Tensor& x,
                   const InitialTensor& needed);

void check_state_size(const char* kind, const char* direction, std::size_t given, Index layers);

// Throws unless 0 <= rate < 1.
void require_rate(const char* kind, const char* name, double rate);

// The size of a wrapped cell: set by the layer, or the same by the user.
void set_size(const char* kind, const char* name, Index& of_cell, Index wanted);

// Where options, or those of a cell within them, have a number of biases.
template <class O>
bool set_biases(O& o, Index biases) {
  if constexpr (requires { o.biases = biases; }) {
    o.biases = biases;
    return true;
  } else if constexpr (requires { o.cell; }) {
    return set_biases(o.cell, biases);
  } else {
    return false;
  }
}

// rate · before + (1 - rate) · after.
Tensor between(const Tensor& after, const Tensor& before, double rate);

// t y + (1 - t) x with t = σ(gate).
Tensor highway(const Tensor& gate, const Tensor& x, const Tensor& y);

}  // namespace unroll::nn::detail
