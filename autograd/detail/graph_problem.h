#pragma once

#include <unroll/autograd/graph/snapshot.h>

#include <optional>
#include <string>

namespace unroll::detail {

// The first thing that is wrong with a snapshot: numbers that point nowhere, or contradict another.
struct GraphProblem {
  Index node = -1;   // where it is, if in a node
  Index value = -1;  // or in a value
  std::string given;
  std::string needed;
};
std::optional<GraphProblem> find_problem(const graph::Snapshot& snapshot);

}  // namespace unroll::detail
