#include <unroll/autograd/graph/detail/reduce.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace unroll::graph::detail {

Grouping collapsed(const Recorded& r, const Grouping& from, Index depth) {
  struct Key {
    Index path, loop, part;
    bool operator<(const Key& k) const {
      return std::tie(path, loop, part) < std::tie(k.path, k.loop, k.part);
    }
  };
  std::map<Key, Index> boxes;       // by module and where it is drawn
  std::map<Index, Index> box_with;  // parameters of a module: its first box
  std::vector<Index> to(from.groups.size(), -1);
  std::vector<Group> groups;
  const auto keep = [&](std::size_t g) {
    to[g] = static_cast<Index>(groups.size());
    groups.push_back(from.groups[g]);
  };
  // Leaves come before what reads them; a module's box takes the place of the first of both.
  for (std::size_t g = 0; g < from.groups.size(); ++g) {
    const Group& group = from.groups[g];
    if (group.kind == Group::Kind::leaf) continue;
    if (group.kind == Group::Kind::ellipsis || r.paths.depth(group.path) <= depth) {
      keep(g);
      continue;
    }
    Key key{.path = r.paths.ancestor(group.path, depth + 1), .loop = group.loop, .part = -1};
    if (key.loop >= 0 && r.paths.is_inside(from.path_of_loop[at(key.loop)], key.path))
      key.loop = -1;
    if (key.loop >= 0 && from.is_window) key.part = group.part;
    const auto [entry, is_new] = boxes.try_emplace(key, static_cast<Index>(groups.size()));
    if (is_new) {
      groups.push_back(group);
      groups.back().kind = Group::Kind::module;
      groups.back().path = key.path;
      groups.back().loop = key.loop;
      if (key.loop < 0) groups.back().part = -1;
      box_with.try_emplace(key.path, entry->second);
    } else if (groups[at(entry->second)].part != group.part) {
      groups[at(entry->second)].part = -1;
    }
    to[g] = entry->second;
  }
  for (std::size_t g = 0; g < from.groups.size(); ++g) {
    const Group& group = from.groups[g];
    if (group.kind != Group::Kind::leaf) continue;
    const auto box = r.paths.depth(group.path) > depth
                         ? box_with.find(r.paths.ancestor(group.path, depth + 1))
                         : box_with.end();
    if (box == box_with.end())
      keep(g);
    else
      to[g] = box->second;
  }
  return mapped(from, to, std::move(groups));
}

Grouping thinned(const Recorded& r, const Grouping& from, const std::vector<Link>& links,
                 const std::vector<Index>& centre, Index most) {
  const auto count = static_cast<Index>(from.groups.size());
  if (count <= most) return from;
  // Who is next to whom, one after the other.
  std::vector<Index> begin(at(count) + 1, 0), next(2 * links.size());
  for (const Link& l : links) {
    ++begin[at(l.from) + 1];
    ++begin[at(l.to) + 1];
  }
  for (std::size_t g = 1; g < begin.size(); ++g) begin[g] += begin[g - 1];
  std::vector<Index> cursor(begin.begin(), begin.end() - 1);
  for (const Link& l : links) next[at(cursor[at(l.to)]++)] = l.from;  // operands first
  for (const Link& l : links) next[at(cursor[at(l.from)]++)] = l.to;

  std::vector<Index> order;
  std::vector<bool> seen(at(count));
  const auto visit = [&](Index g) {
    if (g < 0 || seen[at(g)]) return;
    seen[at(g)] = true;
    order.push_back(g);
  };
  const Index loss = r.snapshot.loss;
  for (const Index n : centre) visit(from.of_node[at(n)]);
  if (centre.empty() && loss >= 0 && r.value(loss).node >= 0)
    visit(from.of_node[at(r.value(loss).node)]);
  std::size_t at_most = 0;
  for (Index start = count - 1; start >= -1; --start) {
    for (; at_most < order.size() && static_cast<Index>(order.size()) < most; ++at_most)
      for (Index e = begin[at(order[at_most])]; e < begin[at(order[at_most]) + 1]; ++e)
        visit(next[at(e)]);
    if (static_cast<Index>(order.size()) >= most || start < 0) break;
    if (from.groups[at(start)].kind != Group::Kind::leaf) visit(start);
  }
  order.resize(std::min(order.size(), at(most)));
  std::sort(order.begin(), order.end());
  std::vector<Index> to(at(count), -1);
  std::vector<Group> groups;
  for (const Index g : order) {
    to[at(g)] = static_cast<Index>(groups.size());
    groups.push_back(from.groups[at(g)]);
  }
  return mapped(from, to, std::move(groups));
}

}  // namespace unroll::graph::detail
