// What became of each operation from one recording to another.
#include <unroll/unroll.h>

#include <algorithm>
#include <map>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "support/made_snapshot.h"

namespace unroll::test {
namespace {

using graph::Change;
using graph::CompareOptions;
using graph::diff;
using graph::Difference;
using graph::same_structure;
using graph::Snapshot;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

// The nodes and values of merged that are not `gone`; with `before`, as they were.
Snapshot restricted(const Difference& d, Change gone, bool before) {
  Snapshot from = d.merged, to;
  if (before) {
    for (const auto& node : d.nodes_before) from.nodes[at(node.node)].inputs = node.inputs;
    for (const auto& value : d.values_before) {
      from.values[at(value.value)].shape = value.shape;
      from.values[at(value.value)].dtype = value.dtype;
    }
  }
  std::vector<Index> nodes(from.nodes.size(), -1), values(from.values.size(), -1);
  for (std::size_t n = 0, next = 0; n < nodes.size(); ++n)
    if (d.nodes[n] != gone) nodes[n] = static_cast<Index>(next++);
  for (std::size_t v = 0; v < values.size(); ++v) {
    if (d.values[v] == gone) continue;
    values[v] = static_cast<Index>(to.values.size());
    to.values.push_back(from.values[v]);
    Index& node = to.values.back().node;
    if (node >= 0) node = nodes[at(node)];
  }
  for (std::size_t n = 0; n < nodes.size(); ++n) {
    if (nodes[n] < 0) continue;
    to.nodes.push_back(from.nodes[n]);
    for (Index& v : to.nodes.back().inputs)
      if (v >= 0) v = values[at(v)];
    for (Index& v : to.nodes.back().outputs) v = values[at(v)];
  }
  graph::check(to);  // nothing that stays takes what is gone
  return to;
}

void check_difference(const Snapshot& a, const Snapshot& b, const Difference& d) {
  graph::check(d.merged);
  BOOST_REQUIRE_EQUAL(d.nodes.size(), d.merged.nodes.size());
  BOOST_REQUIRE_EQUAL(d.values.size(), d.merged.values.size());
  const auto count = [&](Change change) { return std::ranges::count(d.nodes, change); };
  BOOST_TEST(d.added == count(Change::added));
  BOOST_TEST(d.removed == count(Change::removed));
  BOOST_TEST(d.changed == count(Change::changed));
  BOOST_TEST(std::ssize(d.nodes_before) == d.changed);
  const Snapshot is_a = restricted(d, Change::added, true);
  const Snapshot is_b = restricted(d, Change::removed, false);
  // Leaves may come earlier than they did; what is told by their order are those without names.
  const auto first = same_structure(is_a, a, {.order = true});
  BOOST_TEST(first.ok(), first);
  const auto second = same_structure(is_b, b, {.order = true});
  BOOST_TEST(second.ok(), second);
  BOOST_TEST(is_a.values.size() == a.values.size());
  BOOST_TEST(is_b.values.size() == b.values.size());
  if (b.loss >= 0) {
    const graph::Value &merged = d.merged.values[at(d.merged.loss)], &of_b = b.values[at(b.loss)];
    BOOST_TEST((merged.shape == of_b.shape && (merged.node < 0) == (of_b.node < 0)));
  }
}

std::string printed(const Difference& d) {
  std::ostringstream out;
  out << d;
  return out.str();
}

bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string letters(const Snapshot& s) {
  std::string text;
  for (const graph::Node& n : s.nodes) text += n.operation + " ";
  return text;
}

// Everything named: leaves have no order that matters.
Snapshot named(Snapshot s) {
  for (std::size_t v = 0; v < s.values.size(); ++v)
    if (s.values[v].node < 0 && s.values[v].name.empty())
      s.values[v].name = "u" + std::to_string(v);
  return s;
}

// One node less, one more, or one that is something else.
Snapshot edited(const Snapshot& from, std::mt19937_64& random) {
  Snapshot s = from;
  const std::size_t n = random() % s.nodes.size();
  graph::Node& node = s.nodes[n];
  switch (random() % 5) {
    case 0:
      node.operation = "exp";
      break;
    case 1:
      node.inputs.push_back(-1);
      break;
    case 2:
      s.values[at(node.outputs[0])].shape = Shape{5, 5};
      break;
    case 3:
      for (Index& v : node.inputs) v = -1;
      break;
    default: {  // a new node before this one
      const Index first = node.outputs[0], made = static_cast<Index>(n);
      for (graph::Node& other : s.nodes) {
        for (Index& v : other.inputs) v += v >= first ? 1 : 0;
        for (Index& v : other.outputs) v += v >= first ? 1 : 0;
      }
      for (graph::Value& value : s.values) value.node += value.node >= made ? 1 : 0;
      if (s.loss >= first) ++s.loss;
      s.values.insert(s.values.begin() + first, {.shape = {2}, .dtype = f64, .node = made});
      s.nodes.insert(s.nodes.begin() + made,
                     {.operation = "exp", .inputs = {-1}, .outputs = {first}});
      s.nodes[n + 1].inputs[0] = first;
    }
  }
  return s;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_diff)

BOOST_AUTO_TEST_CASE(of_a_recording_with_itself_is_empty) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 100; ++round) {
    const Snapshot a = random_snapshot(random, 1 + static_cast<Index>(random() % 30));
    for (const bool paths : {true, false}) {
      const Difference d = diff(a, a, {.paths = paths});
      BOOST_TEST(d.empty());
      BOOST_TEST(printed(d) == "no difference\n");
      BOOST_TEST(d.merged.loss == a.loss);
      BOOST_TEST(std::ranges::count(d.values, Change::none) == std::ssize(d.values));
      check_difference(a, a, d);
    }
  }
  BOOST_TEST(diff({}, {}).empty());
}

BOOST_AUTO_TEST_CASE(holds_both_recordings) {
  std::mt19937_64 random(2);
  for (int round = 0; round < 400; ++round) {
    const Snapshot a = named(random_snapshot(random, 1 + static_cast<Index>(random() % 25)));
    Snapshot b = round % 4 == 0 ? named(random_snapshot(random, 20)) : a;
    for (std::size_t edits = random() % 5; edits > 0; --edits) b = edited(b, random);
    check_difference(a, b, diff(a, b));
    check_difference(b, a, diff(b, a));
    BOOST_TEST(diff(a, b).empty() == same_structure(a, b, {.order = true}).ok());
  }
}

BOOST_AUTO_TEST_CASE(an_operation_more) {
  std::mt19937_64 random(3);
  MadeSnapshot before, after;
  for (MadeSnapshot* made : {&before, &after}) {
    const Index x = made->leaf("x", {2, 3}), W = made->leaf("W", {3, 3}, true);
    Index h =
        made->node({.operation = "matmul", .path = "rnn", .step = 4, .inputs = {x, W}}, {{2, 3}});
    if (made == &after)
      h = made->node({.operation = "sigmoid", .path = "rnn", .step = 4, .inputs = {h}}, {{2, 3}});
    made->snapshot.loss = made->node({.operation = "sum", .inputs = {h}}, {{}});
  }
  const Difference d = diff(before.snapshot, after.snapshot);
  check_difference(before.snapshot, after.snapshot, d);
  BOOST_TEST(printed(d) ==
             "1 added, 0 removed, 1 changed of 3 operations\n"
             "+ sigmoid at rnn, t=4: matmul f64 [2, 3] (operation 0) -> f64 [2, 3]\n"
             "~ sum: sigmoid f64 [2, 3] (operation 1) -> f64 []\n"
             "    before: matmul f64 [2, 3] (operation 0) -> f64 []\n");
  const Difference back = diff(after.snapshot, before.snapshot);
  BOOST_TEST(back.removed == 1);
  BOOST_TEST(letters(back.merged) == "matmul sigmoid sum ");
  BOOST_TEST(mentions(printed(back), "\n- sigmoid at rnn, t=4: "), printed(back));
}

BOOST_AUTO_TEST_CASE(other_shapes_are_changes) {
  const auto recorded = [](Index hidden) {
    MadeSnapshot made;
    const Index x = made.leaf("x", {2, 3}), W = made.leaf("W", {3, hidden}, true);
    const Index h = made.node({.operation = "matmul", .inputs = {x, W}}, {{2, hidden}});
    const Index y = made.node({.operation = "sum", .inputs = {h}}, {{}});
    made.node({.operation = "tanh", .inputs = {y}}, {{}});
    return made.snapshot;
  };
  const Difference d = diff(recorded(4), recorded(5));
  check_difference(recorded(4), recorded(5), d);
  BOOST_TEST(d.changed == 2);  // the product and what takes it
  BOOST_TEST((d.nodes == std::vector{Change::changed, Change::changed, Change::none}));
  BOOST_TEST(d.values_before.size() == 2U);
  BOOST_TEST(mentions(printed(d),
                      "before: input x f64 [2, 3], parameter W f64 [3, 4] -> "
                      "f64 [2, 4]\n"),
             printed(d));
  BOOST_TEST(diff(recorded(4), recorded(5), {.shapes = false}).empty());
}

BOOST_AUTO_TEST_CASE(a_renamed_parameter) {
  const auto recorded = [](const std::string& name) {
    MadeSnapshot made;
    const Index x = made.leaf("", {2, 2}), W = made.leaf(name, {2, 2}, true),
                V = made.leaf("V", {2, 2}, true);
    const Index h = made.node({.operation = "matmul", .path = name, .inputs = {x, V}}, {{2, 2}});
    made.node({.operation = "matmul", .path = name, .inputs = {h, W}}, {{2, 2}});
    return made.snapshot;
  };
  const Difference d = diff(recorded("W"), recorded("U"));
  check_difference(recorded("W"), recorded("U"), d);
  BOOST_TEST(d.added == 2);
  BOOST_TEST(d.removed == 2);
  BOOST_TEST(std::ranges::count(d.values, Change::added) == 3);
  BOOST_TEST(diff(recorded("W"), recorded("U"), {.paths = false}).empty());
}

// Parameters whose names play no part are those that the operations that stay take, whichever is
// first on the tape.
BOOST_AUTO_TEST_CASE(nameless_parameters_that_come_in_another_order) {
  const auto recorded = [](bool more) {
    MadeSnapshot made;
    const Index x = made.leaf("x", {2, 2}), p = made.leaf("P", {2, 2}, true),
                q = made.leaf("Q", {2, 2}, true);
    const Index W = more ? q : p, V = more ? p : q;
    if (more) made.node({.operation = "sum", .inputs = {V}}, {{}});
    const Index h = made.node({.operation = "matmul", .inputs = {x, W}}, {{2, 2}});
    made.node({.operation = "matmul", .inputs = {h, V}}, {{2, 2}});
    return made.snapshot;
  };
  const Difference d = diff(recorded(false), recorded(true), {.paths = false});
  BOOST_TEST(d.added == 1);
  BOOST_TEST(d.changed == 0);
}

BOOST_AUTO_TEST_CASE(what_a_real_cell_lost) {
  const auto recorded = [](double rate) {
    seed(1);
    const nn::LSTM lstm({.input = 2, .hidden = 3, .layers = 2, .dropout = rate});
    Tape tape;
    static_cast<void>(sum(lstm(ones({3, 2, 2})).outputs));
    return tape.snapshot();
  };
  const Snapshot with = recorded(0.5), without = recorded(0);
  const Difference d = diff(with, without);
  check_difference(with, without, d);
  BOOST_TEST(d.removed == std::ssize(with.nodes) - std::ssize(without.nodes));
  BOOST_TEST(d.added == 0);
  BOOST_TEST(mentions(printed(d), "- dropout"), printed(d));
}

BOOST_AUTO_TEST_CASE(a_long_list_is_cut) {
  const auto recorded = [](const char* operation) {
    MadeSnapshot made;
    Index x = made.leaf("x", {2});
    for (int n = 0; n < 500; ++n) x = made.node({.operation = operation, .inputs = {x}}, {{2}});
    return made.snapshot;
  };
  const std::string text = printed(diff(recorded("tanh"), recorded("exp")));
  BOOST_TEST(mentions(text, "500 added, 500 removed, 0 changed of 1000 operations\n"));
  BOOST_TEST(std::ranges::count(text, '\n') == 62);
  BOOST_TEST(text.ends_with("\n… and 940 operations more\n"), text);
}

// A long recording with one change in a hundred of its steps, whether steps tell operations apart
// or not.
BOOST_AUTO_TEST_CASE(long_recordings) {
  constexpr Index steps = 10'000;
  const auto recorded = [&](Index more) {
    MadeSnapshot made;
    const Index W = made.leaf("W", {2, 2}, true), x = made.leaf("x", {2, 2});
    Index h = x;
    for (Index t = 0; t < steps; ++t) {
      for (const char* operation : {"matmul", "add", "tanh", "mul", "sub"})
        h = made.node({.operation = operation, .path = "cell", .step = t, .inputs = {h, W}},
                      {{2, 2}});
      if (more > 0 && t % more == 0)
        h = made.node({.operation = "exp", .path = "cell", .step = t, .inputs = {h}}, {{2, 2}});
    }
    return made.snapshot;
  };
  for (const Index every : {100, 1}) {
    const Snapshot a = recorded(0), b = recorded(every);
    for (const bool in_steps : {true, false}) {
      const Difference d = diff(a, b, {.steps = in_steps});
      BOOST_TEST(d.added == steps / every);
      BOOST_TEST(d.removed == 0);
      graph::check(d.merged);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
