#pragma once

#include <unroll/autograd/graph/detail/at.h>
#include <unroll/autograd/graph/detail/path_tree.h>
#include <unroll/autograd/graph/fold.h>
#include <unroll/autograd/graph/snapshot.h>

#include <cstdint>
#include <string>
#include <vector>

// Every way to make a picture smaller is a map: what is recorded goes to groups, groups to fewer
// groups or to nothing. Boxes are what groups are left, arrows what edges there are between them.
namespace unroll::graph::detail {

// Where each node is in the program's loops.
struct Iterations {
  struct Place {
    std::int32_t loop = -1;
    std::int32_t iteration = 0;
  };
  const Folded* folded = nullptr;  // null: no loop is known
  std::vector<Place> places = {};  // by node; empty: in none

  Place operator[](Index node) const { return places.empty() ? Place{} : places[at(node)]; }
  const Loop& loop(Index l) const { return folded->loops[at(l)]; }
};

struct Group {
  enum class Kind { operation, leaf, module, ellipsis };
  Kind kind = Kind::operation;
  Index first = 0;   // recorded node; of a leaf its value
  Index path = 0;    // in the path tree
  Index loop = -1;   // drawn inside of it
  Index part = -1;   // of Grouping::parts; -1: in every iteration
  Index count = 1;   // operations
  Index leaves = 0;  // parameters inside a module's box
};

// Some of the iterations of a loop.
struct Part {
  Index loop = -1;
  std::vector<Index> iterations = {};  // ascending
};

struct Grouping {
  std::vector<Group> groups = {};
  std::vector<Index> of_node = {};  // -1: not in the picture
  std::vector<Index> of_leaf = {};  // by value; -1 for what is no leaf, too
  std::vector<Part> parts = {};
  std::vector<Index> path_of_loop = {};  // common to its operations
  bool is_window = false;                // parts are iterations, each with boxes of its own

  Index operations() const;  // in the picture
};

// The snapshot with what all stages need.
struct Recorded {
  explicit Recorded(const Snapshot& s);

  const Snapshot& snapshot;
  PathTree paths;
  std::vector<Index> path_of_node;
  std::vector<Index> path_of_leaf;  // by value: of the module whose parameter it is, else 0

  const Node& node(Index n) const { return snapshot.nodes[at(n)]; }
  const Value& value(Index v) const { return snapshot.values[at(v)]; }
  Index nodes() const { return static_cast<Index>(snapshot.nodes.size()); }
  Index values() const { return static_cast<Index>(snapshot.values.size()); }
};

// A group each for all nodes and leaves, leaves before their first use.
Grouping ungrouped(const Recorded& recorded);

// Sends group g to to[g], -1: to nothing. `groups` are the new ones; counts are summed up here.
Grouping mapped(const Grouping& from, const std::vector<Index>& to, std::vector<Group> groups);

}  // namespace unroll::graph::detail
