#include <unroll/autograd/graph/detail/boxes.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace unroll::graph::detail {

std::string short_number(double value) {
  std::array<char, 40> text{};
  const int length = std::snprintf(text.data(), text.size(), "%.4g", value);
  return {text.data(), static_cast<std::size_t>(length)};
}

std::string counted(Index count, const std::string& one) {
  std::string digits = std::to_string(count);
  for (auto i = static_cast<Index>(digits.size()) - 3; i > 0; i -= 3) digits.insert(at(i), ",");
  return digits + " " + one + (count == 1 ? "" : "s");
}

std::string bytes_text(Index bytes) {
  if (bytes < 10'000) return counted(bytes, "byte");
  constexpr std::array units{"kB", "MB", "GB", "TB"};
  double size = static_cast<double>(bytes) / 1000;
  std::size_t unit = 0;
  for (; size >= 1000 && unit + 1 < units.size(); ++unit) size /= 1000;
  return short_number(size) + " " + units[unit];
}

namespace {

// Operations that compute nothing: what they make is what they are given, elsewhere.
bool only_moves(const Node& node) {
  constexpr std::array copies{"stack", "concat", "contiguous", "to"};
  return node.view || std::any_of(copies.begin(), copies.end(),
                                  [&](const char* c) { return node.operation == c; });
}

std::string typed(const Value& v) {
  return (v.dtype == f32 ? std::string() : std::string(name_of(v.dtype)) + " ") +
         to_string(v.shape);
}

std::string shape_list(const Snapshot& s, const std::vector<Index>& values) {
  constexpr std::size_t most = 12;
  std::string text;
  for (std::size_t i = 0; i < std::min(most, values.size()); ++i)
    text +=
        (i > 0 ? ", " : "") + (values[i] < 0 ? std::string("constant")
                                             : std::string(name_of(s.values[at(values[i])].dtype)) +
                                                   " " + to_string(s.values[at(values[i])].shape));
  if (values.size() > most) text += ", … (" + std::to_string(values.size()) + ")";
  return text;
}

class Maker {
 public:
  explicit Maker(const Drawn& drawn) : d_(drawn), s_(drawn.recorded.snapshot) {}

  Box box(Index g) const {
    const Group& group = d_.grouping.groups[at(g)];
    const Measures& m = d_.measured.of_group[at(g)];
    Box b{.frame = d_.frames.of_group[at(g)], .count = group.count};
    b.not_finite = m.not_finite;
    b.dead = m.gradient_norm && *m.gradient_norm == 0;
    switch (group.kind) {
      case Group::Kind::leaf:
        leaf(b, group, m);
        break;
      case Group::Kind::operation:
        operation(b, group, m);
        break;
      case Group::Kind::module:
        module(b, group, m);
        break;
      case Group::Kind::ellipsis:
        ellipsis(b, group);
        break;
    }
    if (m.made_not_finite) b.lines.emplace_back("NaN or Inf is made here");
    measures(b, group, m);
    return b;
  }

 private:
  Index path_around(const Box& b) const { return b.frame < 0 ? 0 : d_.frames.path[at(b.frame)]; }
  static void add(Box& b, const char* name, std::string value) {
    if (!value.empty()) b.details.push_back({.name = name, .value = std::move(value)});
  }
  std::string steps_text(const Measures& m) const {
    if (m.first_step < 0) return {};
    return std::to_string(m.first_step) +
           (m.last_step == m.first_step ? std::string() : "–" + std::to_string(m.last_step));
  }

  void leaf(Box& b, const Group& group, const Measures& m) const {
    const Value& v = s_.values[at(group.first)];
    b.id = "v" + std::to_string(group.first);
    b.kind = v.parameter ? Box::Kind::parameter : Box::Kind::input;
    b.unreached = v.parameter && s_.loss >= 0 && !m.reaches_loss;
    if (group.count > 1)
      b.lines.push_back("one of " + counted(group.count, "input"));
    else
      b.lines.push_back(v.name.empty() ? std::string(v.parameter ? "parameter" : "input")
                                       : name_inside(d_.recorded.paths, v.name, path_around(b)));
    b.lines.push_back(typed(v));
    add(b, v.parameter ? "parameter" : "input", v.name);
    add(b, "type", std::string(name_of(v.dtype)) + " " + to_string(v.shape));
    if (b.unreached) add(b, "unreached", "the loss does not depend on it");
  }

  void operation(Box& b, const Group& group, const Measures& m) const {
    const Node& n = s_.nodes[at(group.first)];
    b.id = "n" + std::to_string(group.first);
    b.kind = m.is_loss     ? Box::Kind::loss
             : n.order > 0 ? Box::Kind::derivative
             : m.has_state ? Box::Kind::state
                           : Box::Kind::operation;
    b.view = only_moves(n);
    b.lines.push_back(n.operation);
    if (m.has_state) b.lines.push_back("→ " + m.states);
    if (!m.names.empty() && !m.names_differ && m.names != m.states) b.lines.push_back(m.names);
    if (m.is_loss && m.names != "loss") b.lines.emplace_back("loss");
    if (d_.iterations.folded == nullptr && n.step >= 0 && group.count == 1)
      b.lines.push_back("t = " + std::to_string(n.step));
    add(b, "operation", n.operation);
    add(b, "name", m.names_differ ? std::string() : m.names);
    add(b, "state", m.states);
    add(b, "module", n.path);
    add(b, "time steps", steps_text(m));
    if (group.count > 1) add(b, "recorded", std::to_string(group.count) + " times");
    if (m.layer >= 0) add(b, "layer", std::to_string(m.layer));
    if (m.direction != Direction::none)
      add(b, "direction", m.direction == Direction::forward ? "forward" : "backward");
    if (m.order > 0) add(b, "order of derivative", std::to_string(m.order));
    add(b, group.count > 1 ? "inputs, the first time" : "inputs", shape_list(s_, n.inputs));
    add(b, group.count > 1 ? "outputs, the first time" : "outputs", shape_list(s_, n.outputs));
  }

  void module(Box& b, const Group& group, const Measures& m) const {
    const std::string& path = d_.recorded.paths.full(group.path);
    b.id = "m" + std::to_string(group.first);
    b.kind = m.is_loss ? Box::Kind::loss : Box::Kind::module;
    b.lines.push_back(path);
    std::string holds = counted(group.count, "operation");
    if (group.leaves > 0) holds += ", " + counted(group.leaves, "parameter");
    b.lines.push_back(holds);
    add(b, "module", path);
    add(b, "holds", holds);
    add(b, "states", m.states);
    add(b, "time steps", steps_text(m));
  }

  void ellipsis(Box& b, const Group& group) const {
    const Part& part = d_.grouping.parts[at(group.part)];
    b.id = "e" + std::to_string(group.first);
    b.kind = Box::Kind::ellipsis;
    b.lines.emplace_back("⋯");
    b.lines.push_back(counted(static_cast<Index>(part.iterations.size()), "more step"));
    add(b, "not drawn",
        when(d_.iterations.loop(part.loop), part.iterations) + ", " +
            counted(group.count, "operation"));
  }

  static void measures(Box& b, const Group& group, const Measures& m) {
    const bool several = group.count > 1;
    const auto name = [&](const char* one, const char* all) { return several ? all : one; };
    add(b, name("bytes", "bytes, all together"), bytes_text(m.bytes));
    if (group.kind != Group::Kind::leaf)
      add(b, name("saved for backward", "saved for backward, all together"),
          bytes_text(m.saved_bytes));
    if (m.gradient_norm)
      add(b, name("‖gradient‖", "‖gradient‖, the largest"), short_number(*m.gradient_norm));
    if (b.dead) add(b, "dead", "its gradient is exactly 0");
    if (m.statistics) {
      const Statistics& s = *m.statistics;
      add(b, "values", short_number(s.least) + " … " + short_number(s.most));
      if (m.results == 1)
        add(b, "mean ± deviation", short_number(s.mean) + " ± " + short_number(s.deviation));
      if (s.nan > 0) add(b, "NaN", std::to_string(s.nan));
      if (s.infinite > 0) add(b, "Inf", std::to_string(s.infinite));
      if (s.zeros > 0) add(b, "zeros", std::to_string(s.zeros));
    }
    if (m.seconds) add(b, name("seconds", "seconds, all together"), short_number(*m.seconds));
    if (m.backward_seconds)
      add(b, name("seconds of derivative", "seconds of derivative, all together"),
          short_number(*m.backward_seconds));
  }

  const Drawn& d_;
  const Snapshot& s_;
};

}  // namespace

std::vector<Box> boxes_of(const Drawn& drawn) {
  const Maker maker(drawn);
  std::vector<Box> boxes;
  boxes.reserve(drawn.grouping.groups.size());
  for (std::size_t g = 0; g < drawn.grouping.groups.size(); ++g)
    boxes.push_back(maker.box(static_cast<Index>(g)));
  return boxes;
}

}  // namespace unroll::graph::detail
