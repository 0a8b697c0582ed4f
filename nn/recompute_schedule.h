#pragma once

#include <unroll/autograd/pool.h>
#include <unroll/autograd/state.h>

// Which steps of a layer keep what they saved for the gradient, and which make it again.
namespace unroll::nn::detail {

// Time steps that a layer hands to project() at once, where the cell allows it: about 2048 rows, so
// that what is projected need not be there as a whole, with or without recomputation.
Index steps_of_block(Index batch);

// Steps are cut into parts of a length from the end on, so that the part at the begin may be
// shorter: where the part that begins at a step ends.
constexpr Index end_of_part(Index begin, Index steps, Index length) {
  return begin + (steps - begin - 1) % length + 1;
}

// The steps of one run of a cell over a sequence, in the order in which they are computed, cut into
// segments of whole blocks.
class Segments {
 public:
  Segments(Index steps, Index length, Index kept) : steps_(steps), length_(length), kept_(kept) {}

  Index end_of(Index begin) const { return end_of_part(begin, steps_, length_); }
  // Whether a segment is computed once more: all but the last ones.
  bool recomputes(Index begin) const { return steps_ - end_of(begin) >= kept_ * length_; }

 private:
  Index steps_;
  Index length_;
  Index kept_;
};

// What a layer was told about recomputation.
struct RecomputeChoice {
  const char* kind = "recurrent";  // in errors
  Index every = 0;                 // steps; 0: no such wish
  Index bytes = 0;                 // budget; 0: none

  bool any() const { return every != 0 || bytes != 0; }
  // Throws where both or a negative one are given.
  void check() const;
};

// What the first block of a layer took.
struct BlockBytes {
  Index steps = 1;  // of the block
  Index saved = 0;  // for the gradient
  Index state = 0;  // between two steps
};

// Whether anything is recorded now.
bool keeps_for_gradient();
// What tensors of this thread take, without what belongs to the tape as a whole.
Index saved_bytes();

template <class S>
Index bytes_of(const S& state) {
  Index bytes = 0;
  for_each_tensor(state, [&](const Tensor& x) {
    if (x.defined()) bytes += x.size() * static_cast<Index>(element_bytes(x.dtype()));
  });
  return bytes;
}

// Some steps of a sequence [T, ...].
Tensor time_steps(const Tensor& sequence, Index first, Index count);

// The segments of each of `runs` runs over `steps` steps in blocks of `block`, by a length or, from
// what a block took, by a budget; throws where the budget is too small for any.
Segments choose_segments(const RecomputeChoice& choice, Index steps, Index block, Index runs,
                         const BlockBytes& bytes);

}  // namespace unroll::nn::detail
