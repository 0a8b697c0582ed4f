#include <unroll/autograd/graph/detail/links.h>
#include <unroll/autograd/graph/detail/measures.h>

#include <algorithm>
#include <array>
#include <unordered_map>

namespace unroll::graph::detail {
namespace {

struct Key {
  Index from, to, delay, state;

  friend bool operator==(const Key&, const Key&) = default;
};
struct Hash {
  std::size_t operator()(const Key& k) const {
    std::uint64_t h = 0;
    for (const Index part : {k.from, k.to, k.delay, k.state})
      h = (h ^ static_cast<std::uint64_t>(part)) * 0x9e3779b97f4a7c15U, h ^= h >> 29;
    return h;
  }
};
using Known = std::unordered_map<Key, std::size_t, Hash>;

void add_shape(Link& link, const Shape& shape) {
  if (!link.shapes.empty() && link.shapes.back() == shape) return;
  if (link.shapes.empty()) link.least = link.most = shape;
  if (std::find(link.shapes.begin(), link.shapes.end(), shape) != link.shapes.end()) return;
  if (link.shapes.size() < 3) link.shapes.push_back(shape);
  if (shape.rank() != link.least.rank()) {
    link.ranks_differ = true;
    return;
  }
  for (Index axis = 0; axis < shape.rank(); ++axis) {
    link.least = link.least.with(axis, std::min(link.least[axis], shape[axis]));
    link.most = link.most.with(axis, std::max(link.most[axis], shape[axis]));
  }
}

void add_edge(Link& link, Index value, Index iteration, const Shape& shape) {
  if (link.count == 0) {
    link.value = value;
    link.first_iteration = iteration;
    link.last_iteration = iteration;
  }
  link.several_values |= value != link.value;
  link.last_value = value;
  link.first_iteration = std::min(link.first_iteration, iteration);
  link.last_iteration = std::max(link.last_iteration, iteration);
  ++link.count;
  add_shape(link, shape);
}

void join(Link& link, const Link& other) {
  link.delay = std::min(link.delay, other.delay);
  link.latest_delay = std::max(link.latest_delay, other.latest_delay);
  link.count += other.count;
  link.several_values |= other.several_values || other.value != link.value;
  link.last_value = std::max(link.last_value, other.last_value);
  link.first_iteration = std::min(link.first_iteration, other.first_iteration);
  link.last_iteration = std::max(link.last_iteration, other.last_iteration);
  for (const Shape& shape : other.shapes) add_shape(link, shape);
  for (const Shape& shape : {other.least, other.most}) add_shape(link, shape);
}

// More delays than three between the same groups are one link over all of them.
void join_delays(std::vector<Link>& links) {
  if (std::all_of(links.begin(), links.end(), [](const Link& l) { return l.delay == 0; })) return;
  Known first;
  std::vector<Index> delays(links.size());
  for (std::size_t l = 0; l < links.size(); ++l) {
    const auto entry = first.try_emplace({links[l].from, links[l].to, 0, links[l].state}, l).first;
    ++delays[entry->second];
  }
  std::vector<Link> joined;
  std::unordered_map<std::size_t, std::size_t> place;
  for (std::size_t l = 0; l < links.size(); ++l) {
    const std::size_t of = first.at({links[l].from, links[l].to, 0, links[l].state});
    if (delays[of] > 3) {
      const auto [entry, is_new] = place.try_emplace(of, joined.size());
      if (!is_new) {
        join(joined[entry->second], links[l]);
        continue;
      }
    }
    joined.push_back(std::move(links[l]));
  }
  links = std::move(joined);
}

// What enters a loop's first iterations alone stands in for what later ones get from before.
void mark_initial(std::vector<Link>& links, const Grouping& grouping) {
  std::vector<Index> delay(grouping.groups.size(), 0);
  for (const Link& l : links) delay[at(l.to)] = std::max(delay[at(l.to)], l.delay);
  for (Link& l : links) {
    const Group& to = grouping.groups[at(l.to)];
    l.initial = to.loop >= 0 && to.kind != Group::Kind::ellipsis && l.delay == 0 &&
                (grouping.groups[at(l.from)].loop != to.loop) && l.last_iteration < delay[at(l.to)];
  }
}

}  // namespace

Links links_of(const Recorded& r, const Grouping& grouping, const Iterations& iterations) {
  Links made;
  Known known(grouping.groups.size());
  made.links.reserve(grouping.groups.size());
  std::unordered_map<std::string, Index> states;
  const auto state_of = [&](const Value& v) {
    if (v.state.empty()) return Index{-1};
    const auto [entry, is_new] =
        states.try_emplace(v.state, static_cast<Index>(made.states.size()));
    if (is_new) made.states.push_back(state_name(v.state));
    return entry->second;
  };
  for (Index n = 0; n < r.nodes(); ++n) {
    const Index to = grouping.of_node[at(n)];
    if (to < 0) continue;
    const Iterations::Place used = iterations[n];
    const bool to_loop = used.loop >= 0 && grouping.groups[at(to)].loop == used.loop;
    for (const Index v : r.node(n).inputs) {
      if (v < 0) continue;
      const Value& value = r.value(v);
      const Index from =
          value.node >= 0 ? grouping.of_node[at(value.node)] : grouping.of_leaf[at(v)];
      if (from < 0) continue;
      Key key{.from = from, .to = to, .delay = 0, .state = state_of(value)};
      Index iteration = to_loop ? used.iteration : -1;
      if (value.node >= 0) {
        const Iterations::Place place = iterations[value.node];
        const bool from_loop = place.loop >= 0 && grouping.groups[at(from)].loop == place.loop;
        if (from_loop && !to_loop) iteration = place.iteration;
        if (from_loop && to_loop && place.loop == used.loop)
          key.delay = used.iteration - place.iteration;
      }
      const bool own_box = grouping.groups[at(to)].part < 0 || !grouping.is_window;
      if (!own_box) key.delay = 0;  // each iteration has boxes of its own
      if (from == to && key.delay == 0) continue;
      const auto [entry, is_new] = known.try_emplace(key, made.links.size());
      if (is_new)
        made.links.push_back({.from = from,
                              .to = to,
                              .delay = key.delay,
                              .latest_delay = key.delay,
                              .state = key.state});
      add_edge(made.links[entry->second], v, iteration, value.shape);
    }
  }
  join_delays(made.links);
  mark_initial(made.links, grouping);
  return made;
}

std::string shapes_text(const Link& link, bool in_loop) {
  if (link.shapes.empty()) return {};
  if (link.shapes.size() == 1) return to_string(link.shapes[0]);
  if (in_loop && !link.ranks_differ) {
    std::string text = "[";
    for (Index axis = 0; axis < link.least.rank(); ++axis) {
      if (axis > 0) text += ", ";
      text += std::to_string(link.least[axis]);
      if (link.most[axis] != link.least[axis]) text += "…" + std::to_string(link.most[axis]);
    }
    return text + "]";
  }
  std::string text = to_string(link.shapes[0]) + ", " + to_string(link.shapes[1]);
  return link.shapes.size() > 2 ? text + ", …" : text;
}

}  // namespace unroll::graph::detail
