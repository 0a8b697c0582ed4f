// Whether two recordings compute the same, and what is said where they do not.
#include <unroll/unroll.h>

#include <functional>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "support/made_snapshot.h"

namespace unroll::test {
namespace {

using graph::CompareOptions;
using graph::same_structure;
using graph::Snapshot;

// One gate and a candidate; what the variants do differently is how it is written.
struct Written {};
struct WrittenElsewise {};
struct OneMore {};  // computes something else: one operation more

template <class Form>
struct GatedCell : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
  };
  struct State {
    Tensor h;
  };
  explicit GatedCell(Options o) : options(o) {}
  const Options options;
  nn::Parameter W{*this, "W", {options.input, options.hidden}, init::xavier()};
  nn::Parameter U{*this, "U", {options.hidden, options.hidden}, init::orthogonal()};
  nn::Parameter b{*this, "b", {options.hidden}, init::zeros()};

  State step(const Tensor& x, const State& s) const {
    if constexpr (std::is_same_v<Form, WrittenElsewise>) {
      // Another order, names for every part, a function in between.
      const auto squashed = [this](const Tensor& sum) { return tanh(sum + b); };
      const Tensor recurrent = matmul(s.h, U);
      const Tensor gate = sigmoid(recurrent);
      Tensor sum = matmul(x, W) + recurrent;
      return {.h = gate * squashed(sum)};
    } else {
      const Tensor from_x = matmul(x, W), from_h = matmul(s.h, U);
      Tensor h = sigmoid(from_h) * tanh(from_x + from_h + b);
      if constexpr (std::is_same_v<Form, OneMore>) h = h * 0.5;
      return {.h = h};
    }
  }
};

template <class Form>
Snapshot record(Index steps = 4, Index hidden = 3) {
  seed(1);
  const nn::Recurrent<GatedCell<Form>> layer(
      {.input = 2, .hidden = hidden, .layers = 2, .bidirectional = true});
  Tape tape;
  const Tensor x = tape.watch(ones({steps, 5, 2}));
  const Tensor loss = sum(layer(x).outputs);
  static_cast<void>(loss);
  return tape.snapshot();
}

bool mentions(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_same_structure)

BOOST_AUTO_TEST_CASE(two_ways_to_write_a_cell) {
  const Snapshot a = record<Written>(), b = record<WrittenElsewise>();
  const auto same = same_structure(a, b);
  BOOST_TEST(same.ok(), same);
  const auto ordered = same_structure(a, b, {.order = true});
  BOOST_TEST(!ordered.ok());
  BOOST_TEST(mentions(ordered.text(), "hint: they agree with {.order = false}"), ordered);
  BOOST_TEST(same_structure(a, a, {.order = true}).ok());
}

BOOST_AUTO_TEST_CASE(one_operation_more_is_named_with_module_and_step) {
  const auto same = same_structure(record<Written>(), record<OneMore>());
  BOOST_TEST(!same.ok());
  BOOST_TEST(same.text().starts_with("the recordings differ\n  second, operation 8 of 151: "
                                     "mul_number at 0.forward, t=0"),
             same);
  BOOST_TEST(mentions(same.text(),
                      "has no counterpart; the first has fewer there, the last is "
                      "operation 7 of 135: mul at 0.forward, t=0"),
             same);
  BOOST_TEST(mentions(same.text(), "first, operation 10 of 135: matmul at 0.forward, t=1"), same);
  std::ostringstream printed;
  printed << same;
  BOOST_TEST(printed.str() == same.text());
}

BOOST_AUTO_TEST_CASE(more_steps_and_other_sizes_are_differences) {
  BOOST_TEST(!same_structure(record<Written>(4), record<Written>(5)).ok());
  const auto wider = same_structure(record<Written>(4, 3), record<Written>(4, 6));
  BOOST_TEST(!wider.ok());
  BOOST_TEST(mentions(wider.text(), "hint: they agree with {.shapes = false}"), wider);
}

BOOST_AUTO_TEST_CASE(a_renamed_layer) {
  struct Before : nn::Module {
    nn::Child<nn::Linear> hidden{*this, "hidden", {.input = 2, .output = 3}};
    nn::Child<nn::Linear> out{*this, "out", {.input = 3, .output = 3}};
    Tensor operator()(const Tensor& x) const { return out(tanh(hidden(x))); }
  };
  struct After : nn::Module {
    nn::Child<nn::Linear> first{*this, "first", {.input = 2, .output = 3}};
    nn::Child<nn::Linear> second{*this, "second", {.input = 3, .output = 3}};
    Tensor operator()(const Tensor& x) const { return second(tanh(first(x))); }
  };
  const auto recorded = [](const auto& model) {
    Tape tape;
    static_cast<void>(sum(model(ones({4, 2}))));
    return tape.snapshot();
  };
  const Snapshot a = recorded(Before()), b = recorded(After());
  const auto same = same_structure(a, b);
  BOOST_TEST(!same.ok());
  BOOST_TEST(mentions(same.text(), "hidden"), same);
  BOOST_TEST(mentions(same.text(), "first.W"), same);
  BOOST_TEST(mentions(same.text(), "hint: they agree with {.paths = false}"), same);
  const auto unnamed = same_structure(a, b, {.paths = false});
  BOOST_TEST(unnamed.ok(), unnamed);
}

BOOST_AUTO_TEST_CASE(swapped_inputs_are_noticed) {
  const auto recorded = [](bool swapped, bool named) {
    Tape tape;
    const Tensor x = tape.watch(ones({2})), y = tape.watch(ones({2}));
    if (named) tape.name(x, "x");
    if (named) tape.name(y, "y");
    static_cast<void>(sum(swapped ? tanh(y) - sigmoid(x) : tanh(x) - sigmoid(y)));
    return tape.snapshot();
  };
  for (const bool named : {false, true}) {
    BOOST_TEST(same_structure(recorded(true, named), recorded(true, named)).ok());
    BOOST_TEST(!same_structure(recorded(true, named), recorded(false, named)).ok());
  }
}

// Parameters of one shape whose names play no part are known by what is made of them, not by which
// is used first.
BOOST_AUTO_TEST_CASE(nameless_parameters_in_another_order) {
  const auto recorded = [](bool other_order, bool swapped) {
    MadeSnapshot made;
    const std::string first = other_order ? "V" : "W", second = other_order ? "W" : "V";
    Index p = made.leaf(first, {2, 2}, true), q = made.leaf(second, {2, 2}, true);
    if (other_order != swapped) std::swap(p, q);
    const Index x = made.leaf("x", {1, 2});
    const Index a = made.node({.operation = "matmul", .inputs = {x, p}}, {{1, 2}});
    const Index b = made.node({.operation = "matmul", .inputs = {a, q}}, {{1, 2}});
    made.node({.operation = "sub", .inputs = {b, a}}, {{1, 2}});
    return made.snapshot;
  };
  BOOST_TEST(same_structure(recorded(false, false), recorded(true, false), {.paths = false}).ok());
  BOOST_TEST(same_structure(recorded(false, false), recorded(false, true), {.paths = false}).ok());
  BOOST_TEST(!same_structure(recorded(false, false), recorded(false, true)).ok());
  MadeSnapshot twice;  // W at both places
  const Index W = twice.leaf("W", {2, 2}, true), x = twice.leaf("x", {1, 2});
  const Index a = twice.node({.operation = "matmul", .inputs = {x, W}}, {{1, 2}});
  const Index b = twice.node({.operation = "matmul", .inputs = {a, W}}, {{1, 2}});
  twice.node({.operation = "sub", .inputs = {b, a}}, {{1, 2}});
  BOOST_TEST(!same_structure(recorded(false, false), twice.snapshot, {.paths = false}).ok());
}

BOOST_AUTO_TEST_CASE(which_of_several_results_is_taken_matters) {
  const auto recorded = [](Index which) {
    MadeSnapshot made;
    const Index x = made.leaf("x", {4});
    const Index halves = made.node({.operation = "split", .inputs = {x}}, {{2}, {2}});
    made.node({.operation = "tanh", .inputs = {halves + which}}, {{2}});
    return made.snapshot;
  };
  for (const bool order : {false, true}) {
    BOOST_TEST(same_structure(recorded(1), recorded(1), {.order = order}).ok());
    BOOST_TEST(!same_structure(recorded(0), recorded(1), {.order = order}).ok());
  }
}

// Two masks of one dropout are not one mask used twice.
BOOST_AUTO_TEST_CASE(one_result_used_twice_is_not_two_results) {
  const auto recorded = [](bool shared) {
    MadeSnapshot made;
    const Index x = made.node({.operation = "tanh", .inputs = {made.leaf("x", {2})}}, {{2}});
    const Index p = made.node({.operation = "dropout", .inputs = {x}}, {{2}});
    const Index q = made.node({.operation = "dropout", .inputs = {x}}, {{2}});
    made.node({.operation = "mul", .inputs = {p, shared ? p : q}}, {{2}});
    return made.snapshot;
  };
  BOOST_TEST(same_structure(recorded(true), recorded(true)).ok());
  const auto same = same_structure(recorded(true), recorded(false));
  BOOST_TEST(mentions(same.text(), "its results are used otherwise"), same);
  BOOST_TEST(mentions(same.text(), "first, operation 2 of 4: dropout: "), same);
  BOOST_TEST(!same_structure(recorded(true), recorded(false), {.order = true}).ok());
}

// (p - q) + (p - q) is not (p - q) + (q - p), of two masks p and q.
BOOST_AUTO_TEST_CASE(at_which_place_a_result_is_used_matters) {
  const auto recorded = [](bool crossed) {
    MadeSnapshot made;
    const Index x = made.leaf("x", {2});
    const Index p = made.node({.operation = "dropout", .inputs = {x}}, {{2}});
    const Index q = made.node({.operation = "dropout", .inputs = {x}}, {{2}});
    const Index a = made.node({.operation = "sub", .inputs = {p, q}}, {{2}});
    const Index b =
        made.node({.operation = "sub", .inputs = {crossed ? q : p, crossed ? p : q}}, {{2}});
    made.node({.operation = "add", .inputs = {a, b}}, {{2}});
    return made.snapshot;
  };
  BOOST_TEST(same_structure(recorded(true), recorded(true)).ok());
  BOOST_TEST(!same_structure(recorded(true), recorded(false)).ok());
}

BOOST_AUTO_TEST_CASE(the_loss_plays_a_part_where_both_have_one) {
  MadeSnapshot made;
  const Index x = made.leaf("x", {2});
  const Index y = made.node({.operation = "tanh", .inputs = {x}}, {{2}});
  Snapshot a = made.snapshot, b = made.snapshot;
  a.loss = y;
  BOOST_TEST(same_structure(a, b).ok());
  b.loss = x;
  BOOST_TEST(mentions(same_structure(a, b).text(), "but for the loss"));
  b.loss = y;
  BOOST_TEST(same_structure(a, b).ok());
}

BOOST_AUTO_TEST_CASE(another_order_of_recording_is_the_same) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 200; ++round) {
    const Snapshot a = random_snapshot(random, 1 + static_cast<Index>(random() % 40));
    const Snapshot b = reordered(a, random);
    for (const CompareOptions& options :
         {CompareOptions{}, CompareOptions{.paths = false}, CompareOptions{.steps = false},
          CompareOptions{.shapes = false}}) {
      const auto same = same_structure(a, b, options);
      BOOST_REQUIRE_MESSAGE(same.ok(), same);
    }
  }
}

// Each single thing about a node or a value that is different is noticed, unless it was said to
// play no part.
BOOST_AUTO_TEST_CASE(every_field_is_compared) {
  struct Edit {
    const char* what;
    std::function<void(Snapshot&, std::size_t)> edit;  // of a node
    bool CompareOptions::*covered;                     // which option takes it away
  };
  const std::vector<Edit> edits = {
      {"operation", [](Snapshot& s, std::size_t n) { s.nodes[n].operation += "x"; }, nullptr},
      {"path", [](Snapshot& s, std::size_t n) { s.nodes[n].path += ".x"; }, &CompareOptions::paths},
      {"step", [](Snapshot& s, std::size_t n) { s.nodes[n].step += 7; }, &CompareOptions::steps},
      {"layer", [](Snapshot& s, std::size_t n) { s.nodes[n].layer += 7; }, &CompareOptions::steps},
      {"direction",
       [](Snapshot& s, std::size_t n) {
         s.nodes[n].direction = s.nodes[n].direction == graph::Direction::none
                                    ? graph::Direction::forward
                                    : graph::Direction::none;
       },
       &CompareOptions::steps},
      {"order", [](Snapshot& s, std::size_t n) { s.nodes[n].order += 1; }, nullptr},
      {"a constant more", [](Snapshot& s, std::size_t n) { s.nodes[n].inputs.push_back(-1); },
       nullptr},
      {"operand made constant",
       [](Snapshot& s, std::size_t n) {
         Index& v = s.nodes[n].inputs[0];
         v = v < 0 ? 0 : -1;
       },
       nullptr},
      {"shape",
       [](Snapshot& s, std::size_t n) {
         s.values[static_cast<std::size_t>(s.nodes[n].outputs[0])].shape = Shape{7};
       },
       &CompareOptions::shapes},
      {"dtype",
       [](Snapshot& s, std::size_t n) {
         s.values[static_cast<std::size_t>(s.nodes[n].outputs[0])].dtype = f32;
       },
       &CompareOptions::shapes},
  };
  std::mt19937_64 random(6);
  for (int round = 0; round < 60; ++round) {
    const Snapshot a = random_snapshot(random, 12);
    for (const Edit& edit : edits) {
      const std::size_t n = random() % a.nodes.size();
      Snapshot b = a;
      edit.edit(b, n);
      for (const bool order : {false, true}) {
        const auto same = same_structure(a, b, {.order = order});
        BOOST_TEST(!same.ok(), edit.what);
        const std::string named = "operation " + std::to_string(n) + " of 12";
        if (order || std::string(edit.what) == "operation")
          BOOST_TEST(mentions(same.text(), "first, " + named), same << edit.what << n);
        if (edit.covered == nullptr) continue;
        CompareOptions without{.order = order};
        without.*edit.covered = false;
        BOOST_TEST(same_structure(a, b, without).ok(), edit.what);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(leaves_are_told_by_name_and_kind) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 100; ++round) {
    const Snapshot a = random_snapshot(random, 12);
    const Index v = a.nodes[0].inputs[0];
    if (v < 0) continue;
    Snapshot renamed = a, other_kind = a;
    renamed.values[static_cast<std::size_t>(v)].name += "other";
    BOOST_TEST(!same_structure(a, renamed).ok());
    const bool parameter = a.values[static_cast<std::size_t>(v)].parameter;
    BOOST_TEST(same_structure(a, renamed, {.paths = false}).ok() == parameter);
    other_kind.values[static_cast<std::size_t>(v)].parameter = !parameter;
    BOOST_TEST(!same_structure(a, other_kind).ok());
    BOOST_TEST(!same_structure(a, other_kind, {.paths = false}).ok());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
