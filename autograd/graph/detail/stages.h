#pragma once

#include <unroll/autograd/graph/detail/grouping.h>
#include <unroll/autograd/graph/detail/links.h>
#include <unroll/autograd/graph/draw_options.h>

#include <memory>
#include <string>
#include <vector>

namespace unroll::graph::detail {

// What is left of a recording to be drawn.
struct Reduced {
  Grouping grouping;
  std::unique_ptr<Folded> folded;  // null: loops were not looked for
  Iterations iterations;
  Links links;
  std::vector<std::string> notes;  // of what is hidden
};

// Focus, then loops, then modules, then the budget. What is far from `centre`, nodes of the
// recording, is left out first; where it is empty, what is far from the loss.
Reduced reduced(const Recorded& recorded, const DrawOptions& options, std::vector<Index> centre);

}  // namespace unroll::graph::detail
