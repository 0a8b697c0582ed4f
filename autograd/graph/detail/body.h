#pragma once

#include <unroll/autograd/graph/detail/letters.h>

#include <vector>

namespace unroll::graph::detail {

// What the iterations of a loop repeat, to know one by that does more in one place or leaves some
// out: a branch. It reads state where the repeated one does, from the iteration before. Only the
// first iteration may leave out the beginning or the end: total = t == 0 ? x : total + x.
class Body {
 public:
  // The repetition has three iterations at least, from `first` on.
  Body(const Letters& letters, Index first, Index period);

  // The end of the iteration after another, at most `limit`; -1: there is none.
  Index next(Stretch before, Index limit) const;
  // The beginning of the iteration before another; -1: there is none.
  Index previous(Stretch after, Index limit) const;

 private:
  struct Operand {
    Index operation = 0;  // of the body
    std::size_t number = 0;
  };
  Index front(Index begin, Index most) const;  // letters as in the body's beginning
  Index back(Index end, Index most) const;     // … and as in its end
  // Whether as much of both as there can be is like the body; both grow with the iteration.
  bool fits(Index nodes, Index front, Index back) const;
  // Whether what is like the body's first operations, and its last, reads no state older than from
  // `before`.
  bool goes_on(Stretch iteration, Index before) const;
  Index most_change() const;  // in length

  const Letters& letters_;
  Index first_;
  Index period_;
  std::vector<Operand> state_;  // operands from the iteration before
};

}  // namespace unroll::graph::detail
