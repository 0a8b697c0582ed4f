#pragma once

#include <unroll/autograd/graph/detail/grouping.h>

#include <optional>

namespace unroll::graph::detail {

// What is known of all recorded nodes, or leaves, of a group.
struct Measures {
  Index bytes = 0;  // of results that are no views
  Index saved_bytes = 0;
  std::optional<double> seconds = {};           // the sum
  std::optional<double> backward_seconds = {};  // the sum
  std::optional<double> gradient_norm = {};     // the largest; NaN and Inf count as that
  std::optional<Statistics> statistics = {};    // over all; mean and deviation of the last
  Index results = 0;                            // with statistics
  Index first_step = -1;
  Index last_step = -1;
  Index layer = -1;
  Direction direction = Direction::none;
  bool has_state = false;
  bool is_loss = false;
  bool not_finite = false;
  bool made_not_finite = false;  // of what was finite
  bool reaches_loss = false;
  int order = 0;
  std::string states = {};  // "h, c"
  std::string names = {};   // that the user gave to results
  bool names_differ = false;
};

struct Measured {
  std::vector<Measures> of_group;
  std::vector<bool> value_not_finite;                      // by value
  std::vector<bool> node_reaches_loss, leaf_reaches_loss;  // empty where there is no loss
};
Measured measured(const Recorded& recorded, const Grouping& grouping);

// Fields of states whose names are not known are numbered.
std::string state_name(const std::string& field);

}  // namespace unroll::graph::detail
