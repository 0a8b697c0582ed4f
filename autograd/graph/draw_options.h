#pragma once

#include <unroll/autograd/index.h>

#include <optional>
#include <string>

namespace unroll::graph {

// What is near a tensor or an operation.
struct Focus {
  std::string name = {};  // of a value, a module path or an operation; empty: no focus
  bool ancestors = true;
  bool descendants = true;
  Index distance = -1;  // operations away at most; -1: any
};

enum class Theme { light, dark };

// How a graph is drawn. As it stands, what does not fit the budget is folded and collapsed until it
// does, and the picture says what it hides.
struct DrawOptions {
  // One picture of a loop's iteration, its edges to later iterations labelled "h, t−1"; unset:
  // where the graph does not fit the budget without.
  std::optional<bool> fold_time = {};
  Index window = 0;       // > 0: of each loop so many first steps, an ellipsis and the last
  Index depth = -1;       // modules nested deeper are one box each; -1: as the budget asks for
  Index budget = 60;      // boxes in the picture at most; 0: any number
  Focus focus = Focus();  // with {}, gcc 12 warns of options that leave it out
  // Colours by a scale, one of them at most. Throws where the snapshot has none of it.
  bool gradients = false;  // norms of gradients, {.keep_norms = true}
  bool memory = false;     // bytes of results and of what is saved
  bool time = false;       // seconds, Tape({.timings = true})
  bool backward = false;   // the backward graph beside the forward one
  bool legend = true;
  Theme theme = Theme::light;
  std::string title = {};
};

}  // namespace unroll::graph
