#pragma once

#include <unroll/autograd/graph/detail/grouping.h>

namespace unroll::graph::detail {

Iterations iterations_of(const Recorded& recorded, const Folded& folded);

// The operations of all iterations of a loop as one list, of which each variant is a part in order:
// what variants have in common stands in it once.
struct Alignment {
  struct Entry {
    Index example = 0;            // a recorded node
    std::vector<Index> variants;  // that have it, ascending
  };
  std::vector<Entry> entries;
  std::vector<std::vector<Index>> entry_of;  // of each variant's operations
};
Alignment align(const Recorded& recorded, const Loop& loop);

// Groups of what a loop's iterations have in common.
Grouping grouped_by_loop(const Recorded& recorded, const Grouping& from,
                         const Iterations& iterations);

// All operations of the first `window` iterations and the last, and an ellipsis for the others.
Grouping windowed(const Recorded& recorded, const Grouping& from, const Iterations& iterations,
                  Index window);

// "t = 0, 2–7 (7 of 200)", "first step", of a loop's iterations; without time steps they are counted
// from 1.
std::string when(const Loop& loop, const std::vector<Index>& iterations);

}  // namespace unroll::graph::detail
