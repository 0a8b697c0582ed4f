#pragma once

#include <unroll/autograd/graph/detail/letters.h>

#include <vector>

namespace unroll::graph::detail {

// A loop of the recording: where its iterations begin, and which of them are alike.
struct Iterations {
  std::vector<Index> starts = {};
  Index end = 0;
  std::vector<Index> variant = {};
  Index variants = 0;

  Index count() const { return std::ssize(starts); }
  Stretch operator[](Index i) const {
    return {starts[at(i)], i + 1 < count() ? starts[at(i + 1)] : end};
  }
};

// Gives iterations that are alike the same variant, numbered as they first appear.
void group(const Letters& letters, Iterations& loop);

// In the order of recording, without those of a single iteration.
std::vector<Iterations> find_loops(const Letters& letters);

// Those that the time steps tell, before they are grouped.
std::vector<Iterations> labelled_loops(const Letters& letters);

// Those that repetition tells, grouped. Loops with the same body and little between them are one
// loop with a branch in it.
std::vector<Iterations> bare_loops(const Letters& letters, Stretch stretch);

}  // namespace unroll::graph::detail
