#pragma once

#include <unroll/autograd/graph/detail/grouping.h>

#include <vector>

namespace unroll::graph::detail {

// The recorded edges from one group to another that differ in nothing but the iteration.
struct Link {
  Index from = 0;
  Index to = 0;
  Index delay = 0;         // iterations between making and using; 0: the same, or no loop
  Index latest_delay = 0;  // several delays are one link: delay … latest_delay
  Index state = -1;        // of Links::states
  Index count = 0;         // recorded edges
  Index value = 0;         // of the first edge
  Index last_value = 0;
  bool several_values = false;
  Index first_iteration = -1;  // of the using node, where that is in a loop, else of the making one
  Index last_iteration = -1;
  bool initial = false;  // brings in what the first iterations have instead of an earlier one
  std::vector<Shape> shapes = {};  // different ones, at most three
  Shape least = {};                // over all edges; meaningless where ranks differ
  Shape most = {};
  bool ranks_differ = false;
};

struct Links {
  std::vector<Link> links = {};  // ordered by their first edge
  std::vector<std::string> states = {};
};

Links links_of(const Recorded& recorded, const Grouping& grouping, const Iterations& iterations);

// "[32, 64]", "[1…200, 32, 64]", "[2], [3]".
std::string shapes_text(const Link& link, bool in_loop);

}  // namespace unroll::graph::detail
