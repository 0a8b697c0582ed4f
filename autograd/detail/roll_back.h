#pragma once

#include <unroll/autograd/detail/recording.h>

namespace unroll::detail {

// Takes back what is recorded while it lives, unless keep() is called: what throws half way has
// recorded nothing. Tensors recorded meanwhile are of no use afterwards.
class RollBack {
 public:
  explicit RollBack(Recording& tape)
      : tape_(&tape),
        nodes_(tape.nodes.size()),
        values_(tape.values.size()),
        leaves_(tape.leaves.size()) {}
  ~RollBack();
  RollBack(const RollBack&) = delete;
  RollBack& operator=(const RollBack&) = delete;

  void keep() { tape_ = nullptr; }

 private:
  Recording* tape_;
  std::size_t nodes_;
  std::size_t values_;
  std::size_t leaves_;
};

}  // namespace unroll::detail
