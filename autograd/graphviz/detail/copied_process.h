#pragma once

#include <functional>
#include <string>

namespace unroll::graph::detail {

// What became of a piece of work in a copy of this process.
struct Outcome {
  enum class Kind { done, died, not_started };
  Kind kind = Kind::not_started;
  std::string text = {};  // what the work returned; of what it died
};

// Forks; the copy runs `work`, prints nothing, hands its result back and ends. Nothing that the work
// does to memory stays, nor does this process end with it. The copy has the calling thread alone:
// the work must look at nothing on the stacks of others, and take no lock that another may hold.
Outcome in_copied_process(const std::function<std::string()>& work);

}  // namespace unroll::graph::detail
