#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace unroll::graph::detail {

// What became of a piece of work in a copy of this process.
struct Outcome {
  enum class Kind { done, died, not_started, stuck };
  Kind kind = Kind::not_started;
  std::string text = {};  // what the work returned; of what it died
};

// Forks; the copy runs `work`, prints nothing, hands its result back and ends. Nothing that the work
// does to memory stays, nor does this process end with it. The copy has the calling thread alone:
// the work must look at nothing on the stacks of others. Where it waits for a lock that another
// thread held, nobody gives it back: a copy that has done nothing for `patience` is ended, stuck.
Outcome in_copied_process(const std::function<std::string()>& work,
                          std::chrono::seconds patience = std::chrono::seconds(20));

// Whether a copy can allocate while other threads do: the C library sees to the locks of its own
// heap, the allocators of sanitizers do not.
bool copies_can_allocate();

}  // namespace unroll::graph::detail
