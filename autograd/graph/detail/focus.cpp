#include <unroll/autograd/error.h>
#include <unroll/autograd/graph/detail/reduce.h>
#include <unroll/autograd/graph/dot.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace unroll::graph::detail {
namespace {

// Nodes and leaves: node n is n, the leaf of value v is nodes + v.
struct Reach {
  const Recorded& r;
  std::vector<std::int32_t> distance;  // -1: not reached

  explicit Reach(const Recorded& recorded)
      : r(recorded), distance(at(r.nodes() + r.values()), -1) {}

  Index of_value(Index v) const { return r.value(v).node >= 0 ? r.value(v).node : r.nodes() + v; }
  bool has(Index i) const { return distance[at(i)] >= 0; }

  // Nodes are in an order in which everything comes before what reads it: one pass each way.
  void go_up(Index most) {
    for (Index n = r.nodes() - 1; n >= 0; --n) {
      if (!has(n) || distance[at(n)] == most) continue;
      for (const Index v : r.node(n).inputs)
        if (v >= 0) put(of_value(v), distance[at(n)] + 1);
    }
    // Leaves of what is just as far as allowed stay: they are no operations.
    for (Index n = 0; n < r.nodes(); ++n)
      if (has(n))
        for (const Index v : r.node(n).inputs)
          if (v >= 0 && r.value(v).node < 0) put(r.nodes() + v, distance[at(n)]);
  }
  void go_down(Index most) {
    for (Index n = 0; n < r.nodes(); ++n)
      for (const Index v : r.node(n).inputs)
        if (v >= 0 && has(of_value(v)) && distance[at(of_value(v))] != most)
          put(n, distance[at(of_value(v))] + 1);
  }
  void put(Index i, std::int32_t d) {
    std::int32_t& known = distance[at(i)];
    if (known < 0 || d < known) known = d;
  }
};

bool is_inside(std::string_view path, std::string_view module) {
  return path.starts_with(module) && (path.size() == module.size() || path[module.size()] == '.');
}

Index edits(std::string_view a, std::string_view b) {
  std::vector<Index> row(b.size() + 1);
  std::iota(row.begin(), row.end(), Index{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    Index diagonal = row[0]++;
    for (std::size_t k = 0; k < b.size(); ++k) {
      const Index change = diagonal + (a[i] == b[k] ? 0 : 1);
      diagonal = row[k + 1];
      row[k + 1] = std::min({row[k] + 1, row[k + 1] + 1, change});
    }
  }
  return row.back();
}

[[noreturn]] void fail_unknown(const Recorded& r, const std::string& name) {
  constexpr std::size_t longest = 200;
  constexpr std::size_t most = 5000;
  std::set<std::string_view> names;
  for (Index p = 1; p < r.paths.size() && names.size() < most; ++p) names.insert(r.paths.full(p));
  for (const Value& v : r.snapshot.values)
    if (!v.name.empty() && names.size() < most) names.insert(v.name);
  for (const Node& n : r.snapshot.nodes)
    if (names.size() < most) names.insert(n.operation);
  std::vector<std::pair<Index, std::string_view>> near;
  near.reserve(names.size());
  const std::string_view wanted = std::string_view(name).substr(0, longest);
  for (const std::string_view known : names)
    near.emplace_back(edits(wanted, known.substr(0, longest)), known);
  std::sort(near.begin(), near.end());
  std::string nearest;
  for (std::size_t i = 0; i < std::min<std::size_t>(3, near.size()); ++i)
    nearest += (i > 0 ? ", " : "") + ("\"" + printable(near[i].second) + "\"");
  fail_nowhere("graph",
               {.given = "focus on \"" + printable(name) + "\", which is not in this graph",
                .needed = "the name of a tensor, a module's path or an operation" +
                          (nearest.empty() ? std::string() : "; nearest are " + nearest),
                .hint = "tape.name(x, \"x\") names a tensor"});
}

}  // namespace

Grouping focused(const Recorded& r, const Grouping& from, const Focus& focus) {
  Reach start(r);
  bool found = false;
  const auto begin_at = [&](Index i) {
    start.put(i, 0);
    found = true;
  };
  for (Index v = 0; v < r.values(); ++v)
    if (r.value(v).name == focus.name) begin_at(start.of_value(v));
  // A name that is a tensor's is not looked for elsewhere, a module's not among operations.
  if (!found) {
    for (Index n = 0; n < r.nodes(); ++n)
      if (is_inside(r.node(n).path, focus.name)) begin_at(n);
    for (Index v = 0; v < r.values(); ++v)
      if (r.value(v).node < 0 && r.value(v).parameter && is_inside(r.value(v).name, focus.name))
        begin_at(r.nodes() + v);
  }
  if (!found)
    for (Index n = 0; n < r.nodes(); ++n)
      if (r.node(n).operation == focus.name) begin_at(n);
  if (!found) fail_unknown(r, focus.name);

  Reach up = start;
  if (focus.ancestors) up.go_up(focus.distance);
  Reach down = start;
  if (focus.descendants) down.go_down(focus.distance);
  std::vector<Index> to(from.groups.size(), -1);
  std::vector<Group> groups;
  for (std::size_t g = 0; g < from.groups.size(); ++g) {
    const Group& group = from.groups[g];
    const Index i = group.kind == Group::Kind::leaf ? r.nodes() + group.first : group.first;
    if (!up.has(i) && !down.has(i)) continue;
    to[g] = static_cast<Index>(groups.size());
    groups.push_back(group);
  }
  return mapped(from, to, std::move(groups));
}

}  // namespace unroll::graph::detail
