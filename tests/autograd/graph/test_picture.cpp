// Boxes, arrows, frames and notes of pictures, against what was recorded.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>

#include <boost/test/unit_test.hpp>

#include "support/drawn_graphs.h"
#include "support/error_text.h"
#include "support/leaves.h"
#include "support/recorded_graph.h"

namespace unroll::test {
namespace {

using graph::Arrow;
using graph::Box;
using graph::DrawOptions;
using graph::Frame;
using graph::Picture;
using graph::Snapshot;

const Box& box(const Picture& p, const std::string& line) {
  for (const Box& b : p.boxes)
    if (!b.lines.empty() && b.lines[0] == line) return b;
  throw std::logic_error("no box " + line);
}

std::string detail(const Box& b, const std::string& name) {
  for (const auto& d : b.details)
    if (d.name.starts_with(name)) return d.value;
  return "none";
}

// "h, t−1 pointwise > affine_sum" of each arrow of a kind.
std::multiset<std::string> arrows(const Picture& p, Arrow::Kind kind) {
  std::multiset<std::string> all;
  const auto name = [&](Index b) { return p.boxes[static_cast<std::size_t>(b)].lines[0]; };
  for (const Arrow& a : p.arrows)
    if (a.kind == kind) all.insert(a.label + ": " + name(a.from) + " > " + name(a.to));
  return all;
}

std::multiset<std::string> badges(const Picture& p) {
  std::multiset<std::string> all;
  for (const Frame& f : p.frames)
    if (!f.badge.empty()) all.insert(f.badge);
  return all;
}

using Texts = std::multiset<std::string>;

Index edges(const Snapshot& s) {
  Index count = 0;
  for (const auto& n : s.nodes)
    count += std::count_if(n.inputs.begin(), n.inputs.end(), [](Index v) { return v >= 0; });
  return count;
}
Index drawn_edges(const Picture& p) {
  Index count = 0;
  for (const Arrow& a : p.arrows) count += a.count;
  return count;
}
Index operations(const Picture& p) {
  Index count = 0;
  for (const Box& b : p.boxes)
    if (b.kind != Box::Kind::parameter && b.kind != Box::Kind::input) count += b.count;
  return count;
}

Index input(GraphBuilder& g, const Shape& shape, const std::string& name) {
  const Index v = g.leaf(shape, name);
  g.snapshot.values[static_cast<std::size_t>(v)].parameter = false;
  return v;
}

// x → (tanh → mul by W) × steps, with a state.
Snapshot loop(Index steps, bool reversed = false) {
  GraphBuilder g;
  Index h = input(g, {2, 3}, "h0");
  const Index W = g.leaf({3}, "cell.W");
  for (Index t = 0; t < steps; ++t) {
    g.place = {.path = "cell", .step = reversed ? steps - 1 - t : t};
    h = g.node("tanh", {g.node("mul", {h, W}, 1, {2, 3})}, 1, {2, 3});
    g.snapshot.values[static_cast<std::size_t>(h)].state = "h";
  }
  g.place = {};
  g.snapshot.loss = g.node("sum", {h}, 1, {});
  return g.snapshot;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(pictures)

BOOST_AUTO_TEST_CASE(a_loop_is_drawn_once) {
  const Picture p = graph::picture(loop(50));
  BOOST_TEST(p.boxes.size() == 5U);  // h0, W, mul, tanh, sum
  BOOST_TEST(box(p, "mul").count == 50);
  BOOST_TEST((arrows(p, Arrow::Kind::loop) == Texts{"h, t−1: tanh > mul"}));
  BOOST_TEST((arrows(p, Arrow::Kind::initial) == Texts{"t = 0: h0 > mul"}));
  BOOST_TEST((arrows(p, Arrow::Kind::plain) ==
              Texts{": W > mul", "[2, 3]: mul > tanh", "h [2, 3], t = 49: tanh > sum"}));
  BOOST_TEST((badges(p) == Texts{"× 50"}));
  BOOST_TEST((p.notes == std::vector<std::string>{"50 steps of cell are drawn once"}));
  BOOST_TEST((box(p, "tanh").kind == Box::Kind::state));
  BOOST_TEST((box(p, "sum").kind == Box::Kind::loss));
}

BOOST_AUTO_TEST_CASE(a_loop_against_time_reads_from_later_steps) {
  const Picture p = graph::picture(loop(50, true));
  BOOST_TEST((arrows(p, Arrow::Kind::loop) == Texts{"h, t+1: tanh > mul"}));
  BOOST_TEST((arrows(p, Arrow::Kind::initial) == Texts{"t = 49: h0 > mul"}));
  BOOST_TEST((badges(p) == Texts{"× 50, backwards"}));
}

// However it is folded and collapsed, every operation and every edge between boxes is in one of
// them, once.
BOOST_AUTO_TEST_CASE(nothing_is_lost_and_nothing_is_drawn_twice) {
  for (const Snapshot& s :
       {record_classifier({.layers = 2, .bidirectional = true, .steps = 30}),
        record_classifier({.steps = 70, .batch = 64}), record_branches(40), loop(33)}) {
    const auto nodes = static_cast<Index>(s.nodes.size());
    for (const DrawOptions& o : {DrawOptions{.fold_time = false, .budget = 0},
                                 DrawOptions{.fold_time = true, .budget = 0}}) {
      const Picture p = graph::picture(s, o);
      BOOST_TEST(operations(p) == nodes);
      BOOST_TEST(drawn_edges(p) == edges(s));
      std::set<std::string> ids;
      for (const Box& b : p.boxes) ids.insert(b.id);
      BOOST_TEST(ids.size() == p.boxes.size());
    }
    BOOST_TEST(operations(graph::picture(s, {.depth = 0, .budget = 0})) == nodes);
    BOOST_TEST(operations(graph::picture(s, {.window = 2, .budget = 0})) == nodes);
  }
}

BOOST_AUTO_TEST_CASE(the_budget_is_kept_and_what_is_hidden_is_said) {
  const Snapshot s = record_classifier({.layers = 3, .bidirectional = true, .steps = 40});
  const auto nodes = static_cast<Index>(s.nodes.size());
  for (const Index budget : {1, 2, 3, 5, 10, 20, 60, 100, 10'000})
    for (const bool backward : {false, true}) {
      const Picture p = graph::picture(s, {.budget = budget, .backward = backward});
      BOOST_TEST(static_cast<Index>(p.boxes.size()) <= std::max<Index>(budget, backward ? 2 : 1));
      BOOST_TEST(p.notes.empty() == (budget == 10'000));
    }
  // What is thinned out is counted.
  const Picture p = graph::picture(s, {.fold_time = false, .depth = 9, .budget = 30});
  BOOST_TEST(p.notes.back() == std::to_string(nodes - operations(p)) +
                                   " operations farther from the loss are not shown");
  BOOST_TEST((box(p, "cross_entropy").kind == Box::Kind::loss));
}

BOOST_AUTO_TEST_CASE(what_is_nearest_to_the_loss_stays) {
  GraphBuilder g;
  std::vector<Index> all;
  all.reserve(20);
  for (int i = 0; i < 20; ++i) all.push_back(g.node("exp", {g.leaf()}));
  g.snapshot.loss = g.node("stack", all);
  for (Index budget = 1; budget < 41; ++budget) {
    const Picture p = graph::picture(g.snapshot, {.fold_time = false, .budget = budget});
    BOOST_TEST(static_cast<Index>(p.boxes.size()) == budget);
    // The loss, then what it reads, then what that reads.
    BOOST_TEST(operations(p) == std::min<Index>(budget, 21));
    BOOST_TEST((box(p, "stack").kind == Box::Kind::loss));
  }
}

// Variants p q r s and p x q y s have p, q and s in common.
BOOST_AUTO_TEST_CASE(variants_share_what_they_have_in_common) {
  GraphBuilder g;
  Index h = input(g, {3}, "h0");
  for (Index t = 0; t < 30; ++t) {
    g.place.step = t;
    const std::vector<std::string> one{"p", "q", "r", "s"}, other{"p", "x", "q", "y", "s"};
    for (const std::string& name : t % 5 == 2 ? other : one) h = g.node(name, {h});
  }
  const Picture p = graph::picture(g.snapshot, {.fold_time = true});
  std::map<std::string, Index> counts;
  for (const Box& b : p.boxes) counts[b.lines[0]] += b.count;
  BOOST_TEST(p.boxes.size() == 7U);
  BOOST_TEST(
      (counts == std::map<std::string, Index>{
                     {"h0", 1}, {"p", 30}, {"q", 30}, {"s", 30}, {"r", 24}, {"x", 6}, {"y", 6}}));
  BOOST_TEST((badges(p) == Texts{"× 30", "t = 0, 1, 3–6, 8–11, 13–16, 18–21, … (24 of 30)",
                                 "t = 2, 7, 12, 17, 22, 27 (6 of 30)"}));
}

BOOST_AUTO_TEST_CASE(steps_that_differ_are_framed_apart) {
  const Picture p = graph::picture(record_branches(40), {.fold_time = true});
  BOOST_TEST((badges(p) == Texts{"× 40", "t = 3, 10, 17, 24, 31, 38 (6 of 40)"}));
  BOOST_TEST(box(p, "square").count == 6);
  BOOST_TEST(box(p, "tanh").count == 40);
  BOOST_TEST(
      (p.notes.back() == "6 steps of a loop differ: what not every step does is framed apart"));
}

BOOST_AUTO_TEST_CASE(shapes_that_grow_are_a_range) {
  GraphBuilder g;
  Index all = input(g, {1, 4}, "first");
  for (Index t = 0; t < 30; ++t) {
    g.place.step = t;
    all = g.node("concat", {all, g.node("tanh", {all}, 1, {1, 4})}, 1, {t + 2, 4});
  }
  const Picture p = graph::picture(g.snapshot, {.fold_time = true});
  BOOST_TEST((arrows(p, Arrow::Kind::loop) ==
              Texts{"[2…30, 4], t−1: concat > concat", "[2…30, 4], t−1: concat > tanh"}));
}

BOOST_AUTO_TEST_CASE(inputs_of_steps_are_one_box) {
  GraphBuilder g;
  Index h = input(g, {4}, "h0");
  for (Index t = 0; t < 30; ++t) {
    const Index x = input(g, {4}, "x" + std::to_string(t));
    g.place.step = t;
    h = g.node("add", {h, x}, 1, {4});
  }
  const Picture p = graph::picture(g.snapshot, {.fold_time = true});
  BOOST_TEST(p.boxes.size() == 3U);
  BOOST_TEST(box(p, "one of 30 inputs").count == 30);
  BOOST_TEST((arrows(p, Arrow::Kind::plain) == Texts{"t: one of 30 inputs > add"}));
}

BOOST_AUTO_TEST_CASE(a_window_shows_the_first_steps_and_the_last) {
  const Picture p = graph::picture(loop(50), {.window = 3});
  BOOST_TEST((badges(p) == Texts{"t = 0", "t = 1", "t = 2", "t = 49"}));
  BOOST_TEST(box(p, "⋯").count == 2 * 46);
  BOOST_TEST((p.notes == std::vector<std::string>{"46 steps of cell are not drawn"}));
  // One step that would be left out is drawn instead.
  BOOST_TEST(graph::picture(loop(5), {.window = 3}).notes.empty());
}

BOOST_AUTO_TEST_CASE(modules_collapse_with_their_parameters) {
  const Snapshot s = record_classifier({.layers = 2, .bidirectional = true, .steps = 20});
  const Picture flat = graph::picture(s, {.depth = 0});
  BOOST_TEST(flat.boxes.size() == 5U);  // x, lstm, head, reshape, cross_entropy
  BOOST_TEST(box(flat, "lstm").lines[1].ends_with("operations, 12 parameters"));
  BOOST_TEST(box(flat, "head").lines[1] == "1 operation, 2 parameters");
  BOOST_TEST(flat.frames.empty());
  BOOST_TEST((flat.notes == std::vector<std::string>{"2 modules are one box each"}));
  const Picture deeper = graph::picture(s, {.depth = 1});
  BOOST_TEST(
      (deeper.notes == std::vector<std::string>{"2 modules below depth 1 are one box each"}));
  // A module inside of a loop's body stays inside of it.
  const Picture own = graph::picture(loop(50), {.fold_time = true, .depth = 0});
  BOOST_TEST(own.frames.empty());
}

BOOST_AUTO_TEST_CASE(focus_keeps_what_leads_there_and_what_follows) {
  GraphBuilder g;
  const Index x = input(g, {2}, "x"), z = input(g, {2}, "z");
  const Index a = g.node("exp", {x}), b = g.node("tanh", {a}), c = g.node("sum", {b});
  g.node("log", {z});
  g.node("neg", {a});
  g.snapshot.values[static_cast<std::size_t>(b)].name = "hidden";
  g.snapshot.loss = c;
  const auto names = [&](const graph::Focus& focus) {
    Texts all;
    for (const Box& drawn : graph::picture(g.snapshot, {.focus = focus}).boxes)
      all.insert(drawn.lines[0]);
    return all;
  };
  BOOST_TEST((names({.name = "hidden"}) == Texts{"x", "exp", "tanh", "sum"}));
  BOOST_TEST((names({.name = "hidden", .ancestors = false}) == Texts{"tanh", "sum"}));
  BOOST_TEST((names({.name = "hidden", .descendants = false}) == Texts{"x", "exp", "tanh"}));
  BOOST_TEST((names({.name = "x", .distance = 1}) == Texts{"x", "exp"}));
  BOOST_TEST((names({.name = "sum", .distance = 1}) == Texts{"tanh", "sum"}));
  BOOST_TEST((names({.name = "hidden", .distance = 0}) == Texts{"tanh"}));
  BOOST_TEST(error_text([&] { names({.name = "hiden"}); })
                 .starts_with("[graph] focus on \"hiden\", which is not in this graph; needed the "
                              "name of a tensor, a "
                              "module's path or an operation; nearest are \"hidden\""));
}

BOOST_AUTO_TEST_CASE(overlays_sum_up_and_say_what_they_lack) {
  Snapshot s = loop(50);
  const auto wants = [&](const DrawOptions& o) {
    return error_text([&] { graph::picture(s, o); });
  };
  BOOST_TEST(wants({.gradients = true}).ends_with("tape.backward(loss, {.keep_norms = true})"));
  BOOST_TEST(wants({.time = true}).ends_with("Tape tape({.timings = true})"));
  for (std::size_t n = 0; n < s.nodes.size(); ++n) {
    s.nodes[n].seconds = 0.25;
    s.nodes[n].backward_seconds = 0.5;
    s.nodes[n].saved_bytes = 10;
    s.values[static_cast<std::size_t>(s.nodes[n].outputs[0])].gradient_norm =
        static_cast<double>(n % 60);
  }
  BOOST_TEST(box(graph::picture(s, {.time = true}), "mul").amount.value() == 37.5);
  // 50 results of 6 floats, and what is saved.
  BOOST_TEST(box(graph::picture(s, {.memory = true}), "mul").amount.value() == 50 * (24 + 10));
  Snapshot views = s;
  for (graph::Node& n : views.nodes) n.view = n.operation == "mul";
  BOOST_TEST(box(graph::picture(views, {.memory = true}), "mul").amount.value() == 50 * 10);
  const Picture p = graph::picture(s, {.gradients = true});
  BOOST_TEST(box(p, "tanh").amount.value() == 59);
  BOOST_TEST(box(p, "mul").amount.value() == 58);
  BOOST_TEST(!box(p, "W").amount.has_value());
  BOOST_TEST(p.scale->most == 59);
  BOOST_TEST(detail(box(p, "tanh"), "‖gradient‖, the largest") == "59");
}

BOOST_AUTO_TEST_CASE(what_went_wrong_is_marked) {
  Snapshot s = loop(10);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto result = [&](std::size_t n) -> graph::Value& {
    return s.values[static_cast<std::size_t>(s.nodes[n].outputs[0])];
  };
  for (std::size_t n = 0; n < s.nodes.size(); ++n) {
    result(n).statistics = graph::Statistics{};
    if (n >= 7) result(n).statistics->nan = 1;  // from the tanh of step 3 on
  }
  s.values.push_back({.shape = {2}, .name = "cell.unused", .parameter = true});
  s.values[1].gradient_norm = 0;
  const Picture p = graph::picture(s, {.fold_time = true});
  BOOST_TEST(box(p, "tanh").not_finite);
  BOOST_TEST(box(p, "tanh").lines.back() == "NaN or Inf is made here");
  BOOST_TEST(box(p, "mul").not_finite);
  BOOST_TEST(box(p, "mul").lines.back() == "mul");
  BOOST_TEST(!box(p, "h0").not_finite);
  BOOST_TEST(box(p, "unused").unreached);
  BOOST_TEST(!box(p, "W").unreached);
  BOOST_TEST(box(p, "W").dead);
  // A gradient that breaks on its way back: at the node that got a finite one.
  Snapshot back = loop(3);
  back.values[static_cast<std::size_t>(back.nodes[2].outputs[0])].gradient_norm = nan;
  back.values[static_cast<std::size_t>(back.nodes[3].outputs[0])].gradient_norm = 1;
  const Picture q = graph::picture(back);
  BOOST_TEST(q.boxes[5].id == "n3");
  BOOST_TEST(q.boxes[5].lines.back() == "NaN or Inf is made here");
}

BOOST_AUTO_TEST_CASE(the_backward_graph_is_a_mirror) {
  const Picture p = graph::picture(loop(50), {.backward = true});
  BOOST_TEST((arrows(p, Arrow::Kind::gradient) ==
              Texts{"∂loss = 1: sum > ∂ sum", ": ∂ sum > ∂ tanh", ": ∂ tanh > ∂ mul",
                    "Σ of 50: ∂ mul > ∂ W", "∂h, t+1: ∂ mul > ∂ tanh"}));
  BOOST_TEST((badges(p) == Texts{"× 50", "× 50, backwards"}));
  Snapshot s = loop(3);
  s.nodes[0].saved_bytes = 8;
  BOOST_TEST((arrows(graph::picture(s, {.backward = true}), Arrow::Kind::saved) ==
              Texts{": mul > ∂ mul"}));
  // Nothing flows to what the loss does not depend on.
  s.nodes.push_back({.operation = "log", .inputs = {s.loss}, .outputs = {s.loss + 1}});
  s.values.push_back({.node = static_cast<Index>(s.nodes.size()) - 1});
  BOOST_CHECK_THROW(box(graph::picture(s, {.backward = true}), "∂ log"), std::logic_error);
  s.loss = -1;
  BOOST_TEST(error_text([&] {
               graph::picture(s, {.backward = true});
             }).ends_with("hint: tape.backward(loss)"));
}

BOOST_AUTO_TEST_CASE(changes_are_drawn) {
  graph::Difference d;
  d.merged = loop(3);
  d.nodes.assign(d.merged.nodes.size(), graph::Change::none);
  d.values.assign(d.merged.values.size(), graph::Change::none);
  d.nodes[1] = graph::Change::added;
  d.nodes[4] = graph::Change::removed;
  d.added = d.removed = 1;
  const Picture p = graph::picture(d);
  BOOST_TEST(p.notes[0] == "1 added, 1 removed, 0 changed operations");
  for (const Box& b : p.boxes) {
    const graph::Change wanted = b.id == "n1"   ? graph::Change::added
                                 : b.id == "n4" ? graph::Change::removed
                                                : graph::Change::none;
    BOOST_TEST((b.change == wanted));
  }
  for (const Arrow& a : p.arrows) {
    const auto touches = [&](const char* id) {
      return p.boxes[static_cast<std::size_t>(a.from)].id == id ||
             p.boxes[static_cast<std::size_t>(a.to)].id == id;
    };
    BOOST_TEST((a.change == graph::Change::added) == touches("n1"));
    BOOST_TEST((a.change == graph::Change::removed) == touches("n4"));
  }
  // In one box with what did not change.
  BOOST_TEST(
      (box(graph::picture(d, {.fold_time = true}), "tanh").change == graph::Change::changed));
  BOOST_TEST(box(graph::picture(d, {.fold_time = true}), "tanh").lines.back() == "1 of 3 added");
  // What an operation no longer reads.
  d.nodes[2] = graph::Change::changed;
  d.nodes_before = {{.node = 2, .inputs = {0, 1}}};
  const Picture q = graph::picture(d);
  BOOST_TEST(std::count_if(q.arrows.begin(), q.arrows.end(), [&](const Arrow& a) {
               return a.change == graph::Change::removed &&
                      q.boxes[static_cast<std::size_t>(a.from)].id == "v0" &&
                      q.boxes[static_cast<std::size_t>(a.to)].id == "n2";
             }) == 1);
}

BOOST_AUTO_TEST_CASE(options_must_make_sense) {
  const Snapshot s = loop(3);
  const auto fails = [&](const DrawOptions& o) {
    return error_text([&] { graph::picture(s, o); });
  };
  BOOST_TEST(fails({.window = -1}) == "[graph] window is -1; needed 0 or more steps");
  BOOST_TEST(fails({.depth = -2}) == "[graph] depth is -2; needed -1 or more levels");
  BOOST_TEST(fails({.budget = -1}) == "[graph] budget is -1; needed 0 or more boxes");
  BOOST_TEST(fails({.fold_time = true, .window = 1}) ==
             "[graph] fold_time and window together; needed one of them");
  BOOST_TEST(fails({.memory = true, .time = true}) ==
             "[graph] several of gradients, memory and time; needed one scale of colours at most");
}

BOOST_AUTO_TEST_CASE(nothing_recorded_is_an_empty_picture) {
  for (const bool backward : {false, true}) {
    Snapshot s;
    if (backward) {
      s.values.push_back({});
      s.loss = 0;
    }
    const Picture p = graph::picture(s, {.fold_time = true, .memory = true, .backward = backward});
    BOOST_TEST(p.arrows.empty());
    BOOST_TEST(graph::to_dot(p, {}).ends_with("}\n"));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
