#pragma once

#include <unroll/autograd/index.h>

#include <limits>
#include <span>
#include <vector>

namespace unroll::graph::detail {

// letters[i] == letters[i + period] as long as i + period < end, and at neither end any further; the
// period is the least, and fits three times at least.
struct Repetition {
  Index begin = 0;
  Index end = 0;
  Index period = 0;

  friend bool operator==(const Repetition&, const Repetition&) = default;
};

// All of a sequence, by begin and period: there are fewer than letters, and they are found in
// O(n log n) (Bannai, I, Inenaga, Nakashima, Takeda, Tsuruta 2017, "The runs theorem": each holds a
// longest Lyndon word in one of two orders of the letters).
std::vector<Repetition> repetitions(std::span<const Index> letters);

// `count` times the same `period` letters.
struct Repeat {
  Index begin = 0;
  Index period = 0;
  Index count = 0;
  Index slack = 0;  // it could begin so much later: that many letters that follow fit too

  Index end() const { return begin + count * period; }
};

// Those of a period of at most `longest` that, each written once, leave the fewest letters; of equal
// ones the first. They do not overlap.
std::vector<Repeat> repeats(std::span<const Index> letters,
                            Index longest = std::numeric_limits<Index>::max());

}  // namespace unroll::graph::detail
