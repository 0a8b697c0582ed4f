#include <unroll/autograd/graph/detail/measures.h>

#include <algorithm>
#include <cmath>

namespace unroll::graph::detail {
namespace {

bool is_bad(const Value& v) {
  return v.statistics && v.statistics->nan + v.statistics->infinite > 0;
}
bool has_bad_gradient(const Value& v) {
  return v.gradient_norm && !std::isfinite(*v.gradient_norm);
}

// Whether NaN or Inf came out of a node, or out of its derivative, that did not go in.
bool makes_bad(const Snapshot& s, const Node& node) {
  const auto any = [&](const std::vector<Index>& values, auto test) {
    return std::any_of(values.begin(), values.end(),
                       [&](Index v) { return v >= 0 && test(s.values[at(v)]); });
  };
  const bool forward = any(node.inputs, is_bad);
  return (!forward && any(node.outputs, is_bad)) ||
         (!forward && any(node.inputs, has_bad_gradient) && !any(node.outputs, is_bad) &&
          !any(node.outputs, has_bad_gradient));
}

void add(std::optional<double>& sum, const std::optional<double>& part) {
  if (part) sum = sum.value_or(0) + *part;
}

void add_value(Measures& m, const Value& v) {
  if (v.gradient_norm) {
    const double norm = *v.gradient_norm;
    const bool wins = !m.gradient_norm || std::isnan(norm) ||
                      (!std::isnan(*m.gradient_norm) && norm > *m.gradient_norm);
    if (wins) m.gradient_norm = norm;
  }
  if (!v.statistics) return;
  const bool first = m.results++ == 0;
  if (first) {
    m.statistics = v.statistics;
    return;
  }
  Statistics& all = *m.statistics;
  all.least = std::min(all.least, v.statistics->least);
  all.most = std::max(all.most, v.statistics->most);
  all.mean = v.statistics->mean;
  all.deviation = v.statistics->deviation;
  all.nan += v.statistics->nan;
  all.infinite += v.statistics->infinite;
  all.zeros += v.statistics->zeros;
}

void find_loss(const Recorded& r, Measured& m) {
  const Index loss = r.snapshot.loss;
  if (loss < 0) return;
  m.node_reaches_loss.assign(at(r.nodes()), false);
  m.leaf_reaches_loss.assign(at(r.values()), false);
  const auto mark = [&](Index v) {
    if (v < 0) return;
    if (r.value(v).node >= 0)
      m.node_reaches_loss[at(r.value(v).node)] = true;
    else
      m.leaf_reaches_loss[at(v)] = true;
  };
  mark(loss);
  for (Index n = r.nodes() - 1; n >= 0; --n)
    if (m.node_reaches_loss[at(n)])
      std::for_each(r.node(n).inputs.begin(), r.node(n).inputs.end(), mark);
}

void add_state(std::string& states, const std::string& state) {
  for (std::size_t from = 0; from < states.size();) {
    const std::size_t comma = std::min(states.find(", ", from), states.size());
    if (std::string_view(states).substr(from, comma - from) == state) return;
    from = comma + 2;
  }
  constexpr std::size_t most = 200;
  if (states.size() > most) return;
  states += (states.empty() ? "" : ", ") + state;
}

// Iterations may name what they make by their number; then no name stands for all.
void add_names(Measures& m, const Snapshot& s, const Node& node) {
  std::string names;
  for (const Index v : node.outputs)
    if (const std::string& name = s.values[at(v)].name; !name.empty() && names.size() < 2000)
      names += (names.empty() ? "" : ", ") + name;
  if (names.empty()) return;
  m.names_differ |= !m.names.empty() && m.names != names;
  m.names = std::move(names);
}

}  // namespace

std::string state_name(const std::string& field) {
  return field.find_first_not_of("0123456789") == std::string::npos ? "state " + field : field;
}

Measured measured(const Recorded& r, const Grouping& grouping) {
  Measured made{.of_group = std::vector<Measures>(grouping.groups.size()),
                .value_not_finite = std::vector<bool>(at(r.values())),
                .node_reaches_loss = {},
                .leaf_reaches_loss = {}};
  find_loss(r, made);
  for (Index v = 0; v < r.values(); ++v)
    made.value_not_finite[at(v)] = is_bad(r.value(v)) || has_bad_gradient(r.value(v));
  for (Index v = 0; v < r.values(); ++v) {
    const Index g = grouping.of_leaf[at(v)];
    if (g < 0) continue;
    Measures& m = made.of_group[at(g)];
    add_value(m, r.value(v));
    m.bytes += r.value(v).bytes();
    m.not_finite |= made.value_not_finite[at(v)];
    m.is_loss |= v == r.snapshot.loss;
    m.reaches_loss |= !made.leaf_reaches_loss.empty() && made.leaf_reaches_loss[at(v)];
  }
  for (Index n = 0; n < r.nodes(); ++n) {
    const Index g = grouping.of_node[at(n)];
    if (g < 0) continue;
    Measures& m = made.of_group[at(g)];
    const Node& node = r.node(n);
    m.saved_bytes += node.saved_bytes;
    add(m.seconds, node.seconds);
    add(m.backward_seconds, node.backward_seconds);
    if (node.step >= 0) {
      m.first_step = m.first_step < 0 ? node.step : std::min(m.first_step, node.step);
      m.last_step = std::max(m.last_step, node.step);
    }
    if (node.layer >= 0) m.layer = node.layer;
    if (node.direction != Direction::none) m.direction = node.direction;
    m.order = std::max(m.order, node.order);
    bool bad = false;
    for (const Index v : node.outputs) {
      const Value& value = r.value(v);
      add_value(m, value);
      m.bytes += own_bytes(r.snapshot, value);
      bad |= made.value_not_finite[at(v)];
      if (!value.state.empty()) add_state(m.states, state_name(value.state));
      m.has_state |= !value.state.empty();
      m.is_loss |= v == r.snapshot.loss;
    }
    m.not_finite |= bad;
    m.made_not_finite |= makes_bad(r.snapshot, node);
    add_names(m, r.snapshot, node);
    m.reaches_loss |= !made.node_reaches_loss.empty() && made.node_reaches_loss[at(n)];
  }
  return made;
}

}  // namespace unroll::graph::detail
