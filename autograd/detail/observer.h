#pragma once

#include <unroll/autograd/detail/header.h>

#include <span>

namespace unroll::detail {

class Recording;

// Is shown every operation of a tape right after it was recorded, the last of the tape's nodes, and
// may give its results other elements. For finding out which operation is wrong, and for measuring; a
// tape has none otherwise.
class Observer {
 public:
  virtual void recorded(Recording& tape, std::span<Header* const> operands,
                        std::span<Header* const> results) = 0;

 protected:
  ~Observer() = default;
};

}  // namespace unroll::detail
