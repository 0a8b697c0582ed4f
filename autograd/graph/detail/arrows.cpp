#include <unroll/autograd/graph/detail/boxes.h>

#include <algorithm>
#include <cstdlib>

namespace unroll::graph::detail {
namespace {

const Loop* loop_of(const Drawn& d, Index group) {
  const Group& g = d.grouping.groups[at(group)];
  const bool folded = g.loop >= 0 && !d.grouping.is_window;
  return folded ? &d.iterations.loop(g.loop) : nullptr;
}

// How much greater the time step is where a value is used than where it was made.
Index step_difference(const Loop& loop, const Link& link, Index delay) {
  const Index used = link.last_iteration;
  if (used < delay || at(used) >= loop.steps.size()) return delay;
  const Index before = loop.steps[at(used - delay)], now = loop.steps[at(used)];
  return before < 0 || now < 0 ? delay : now - before;
}

std::string relative(Index steps) {
  if (steps == 0) return "t";
  return (steps > 0 ? "t−" : "t+") + std::to_string(std::abs(steps));
}

std::string step_text(const Loop& loop, Index iteration) {
  if (const Index step = at(iteration) < loop.steps.size() ? loop.steps[at(iteration)] : -1;
      step >= 0)
    return "t = " + std::to_string(step);
  if (iteration == 0) return "first step";
  if (at(iteration) + 1 == loop.starts.size()) return "last step";
  return "step " + std::to_string(iteration + 1);
}

// "[32, 64], t", and so on.
std::string label_of(const Drawn& d, const Link& link) {
  const Loop* from = loop_of(d, link.from);
  const Loop* to = loop_of(d, link.to);
  const std::string shape = shapes_text(link, from != nullptr || to != nullptr);
  const std::string what = link.state >= 0 ? d.links.states[at(link.state)] : shape;
  if (link.latest_delay > 0) return what + ", " + delay_text(d, link, false);
  const bool from_leaf = d.grouping.groups[at(link.from)].kind == Group::Kind::leaf;
  std::string text = from_leaf ? std::string() : link.state >= 0 ? what + " " + shape : shape;
  const auto add = [&](const std::string& more) { text += (text.empty() ? "" : ", ") + more; };
  if (from == to) {
    if (from == nullptr && link.count > 1 && !link.several_values)
      text += (text.empty() ? "× " : " × ") + std::to_string(link.count);
    return text;
  }
  if (link.initial) {
    if (link.state >= 0) text = what;
    add(step_text(*to, link.first_iteration));
  } else if (to != nullptr) {
    const auto all = static_cast<Index>(to->starts.size());
    if (link.several_values)
      add("t");
    else if (link.count == 1 && all > 1)
      add(step_text(*to, link.first_iteration));
  } else {
    const auto all = static_cast<Index>(from->starts.size());
    if (link.first_iteration == link.last_iteration)
      add(step_text(*from, link.first_iteration));
    else
      add(link.count >= all ? "all t" : "some t");
  }
  return text;
}

}  // namespace

std::string delay_text(const Drawn& d, const Link& link, bool reversed) {
  const Loop* loop = loop_of(d, link.to);
  if (loop == nullptr) return {};
  const Index sign = reversed ? -1 : 1;
  std::string first = relative(sign * step_difference(*loop, link, link.delay));
  if (link.latest_delay == link.delay) return first;
  return first + " … " + relative(sign * step_difference(*loop, link, link.latest_delay));
}

std::vector<Arrow> arrows_of(const Drawn& d) {
  std::vector<Arrow> arrows;
  arrows.reserve(d.links.links.size());
  for (const Link& link : d.links.links) {
    arrows.push_back({.from = link.from,
                      .to = link.to,
                      .kind = link.delay > 0 ? Arrow::Kind::loop
                              : link.initial ? Arrow::Kind::initial
                                             : Arrow::Kind::plain,
                      .label = label_of(d, link),
                      .delayed = link.delay > 0,
                      .count = link.count,
                      .not_finite = d.measured.value_not_finite[at(link.value)] ||
                                    d.measured.value_not_finite[at(link.last_value)]});
  }
  return arrows;
}

}  // namespace unroll::graph::detail
