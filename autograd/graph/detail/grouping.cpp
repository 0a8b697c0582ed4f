#include <unroll/autograd/graph/detail/grouping.h>

#include <algorithm>

namespace unroll::graph::detail {
namespace {

// Recordings have few different paths, and mostly the same as the node before.
std::vector<Index> paths_of_nodes(const Snapshot& s, PathTree& tree) {
  std::vector<Index> paths;
  paths.reserve(s.nodes.size());
  for (std::size_t n = 0; n < s.nodes.size(); ++n)
    paths.push_back(n > 0 && s.nodes[n].path == s.nodes[n - 1].path ? paths.back()
                                                                    : tree.add(s.nodes[n].path));
  return paths;
}

std::vector<Index> paths_of_leaves(const Snapshot& s, const PathTree& tree) {
  std::vector<Index> paths(s.values.size());
  for (std::size_t v = 0; v < s.values.size(); ++v)
    if (s.values[v].node < 0 && s.values[v].parameter) paths[v] = tree.find(s.values[v].name);
  return paths;
}

}  // namespace

Recorded::Recorded(const Snapshot& s)
    : snapshot(s),
      path_of_node(paths_of_nodes(s, paths)),
      path_of_leaf(paths_of_leaves(s, paths)) {}

Index Grouping::operations() const {
  Index sum = 0;
  for (const Group& g : groups) sum += g.kind == Group::Kind::leaf ? 0 : g.count;
  return sum;
}

Grouping ungrouped(const Recorded& r) {
  Grouping g{.of_node = std::vector<Index>(at(r.nodes()), -1),
             .of_leaf = std::vector<Index>(at(r.values()), -1)};
  g.groups.reserve(at(r.nodes()));
  const auto add_leaf = [&](Index v) {
    if (v < 0 || r.value(v).node >= 0 || g.of_leaf[at(v)] >= 0) return;
    g.of_leaf[at(v)] = static_cast<Index>(g.groups.size());
    g.groups.push_back({.kind = Group::Kind::leaf, .first = v, .path = r.path_of_leaf[at(v)]});
  };
  for (Index n = 0; n < r.nodes(); ++n) {
    for (const Index v : r.node(n).inputs) add_leaf(v);
    g.of_node[at(n)] = static_cast<Index>(g.groups.size());
    g.groups.push_back({.first = n, .path = r.path_of_node[at(n)]});
  }
  for (Index v = 0; v < r.values(); ++v) add_leaf(v);
  return g;
}

Grouping mapped(const Grouping& from, const std::vector<Index>& to, std::vector<Group> groups) {
  for (Group& g : groups) g.count = g.leaves = 0;
  for (std::size_t g = 0; g < to.size(); ++g) {
    if (to[g] < 0) continue;
    Group& target = groups[at(to[g])];
    const bool absorbed =
        from.groups[g].kind == Group::Kind::leaf && target.kind != Group::Kind::leaf;
    (absorbed ? target.leaves : target.count) += from.groups[g].count;
    target.leaves += from.groups[g].leaves;
  }
  Grouping made{.groups = std::move(groups),
                .of_node = from.of_node,
                .of_leaf = from.of_leaf,
                .parts = from.parts,
                .path_of_loop = from.path_of_loop,
                .is_window = from.is_window};
  const auto send = [&](Index& g) {
    if (g >= 0) g = to[at(g)];
  };
  std::for_each(made.of_node.begin(), made.of_node.end(), send);
  std::for_each(made.of_leaf.begin(), made.of_leaf.end(), send);
  return made;
}

}  // namespace unroll::graph::detail
