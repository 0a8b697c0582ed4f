// Loops of recordings made by hand.
#include <boost/test/unit_test.hpp>

#include "support/recorded_graph.h"

namespace unroll::test {
namespace {

using graph::Direction;
using graph::Folded;
using graph::Loop;
using graph::Source;

// Of an operand of an operation of the only loop's first variant.
const std::vector<Source>& sources(const Folded& f, std::size_t operation, std::size_t operand,
                                   std::size_t variant = 0, std::size_t loop = 0) {
  return f.loops.at(loop)
      .variants.at(variant)
      .operations.at(operation)
      .operands.at(operand)
      .sources;
}

void check_unfolds(const graph::Snapshot& s) {
  BOOST_TEST(difference_of(s, graph::unfold(graph::fold(s))) == "");
}

// h_t = tanh(x_t W + h_{t-1} - h_{t-2}) over x_0, x_1, … of a split.
graph::Snapshot two_steps_back(Index steps) {
  GraphBuilder g;
  const Index x = g.leaf();
  const Index w = g.leaf({3, 3}, "W");
  const Index parts = g.node("split", {x}, steps);
  Index h = -1;
  Index before = -1;
  g.place.path = "cell";
  for (Index t = 0; t < steps; ++t) {
    g.place.step = t;
    const Index p = g.node("affine", {parts + t, w});
    const Index sum = g.node("add", {p, h});
    const Index difference = g.node("sub", {sum, before});
    before = h;
    h = g.node("tanh", {difference});
  }
  g.place = {};
  g.snapshot.loss = g.node("sum", {h}, 1, {});
  return g.snapshot;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(folding)

BOOST_AUTO_TEST_CASE(a_cell_that_reads_two_steps_before) {
  const graph::Snapshot s = two_steps_back(10);
  const Folded f = graph::fold(s);
  BOOST_REQUIRE(f.loops.size() == 1U);
  BOOST_TEST(f.items.size() == 3U);  // split, the loop, sum
  const Loop& loop = f.loops[0];
  BOOST_TEST(loop.first_node == 1);
  BOOST_TEST(loop.steps.size() == 10U);
  BOOST_REQUIRE(loop.variants.size() == 1U);
  BOOST_TEST(loop.variants[0].operations.size() == 4U);
  BOOST_TEST(loop.variants[0].example == 1);
  BOOST_TEST(graph::ranges(loop.variants[0].iterations) == "0–9");

  const std::vector<Source>& part = sources(f, 0, 0);
  BOOST_REQUIRE(part.size() == 1U);
  BOOST_TEST((part[0].kind == Source::Kind::outside));
  BOOST_TEST(part[0].count == 10);
  BOOST_TEST(part[0].node == 0);
  BOOST_TEST(part[0].node_stride == 0);
  BOOST_TEST(part[0].output == 0);
  BOOST_TEST(part[0].output_stride == 1);

  const std::vector<Source>& weight = sources(f, 0, 1);
  BOOST_REQUIRE(weight.size() == 1U);
  BOOST_TEST((weight[0].kind == Source::Kind::leaf));
  BOOST_TEST(weight[0].value == 1);
  BOOST_TEST(weight[0].value_stride == 0);

  const std::vector<Source>& one = sources(f, 1, 1);
  BOOST_REQUIRE(one.size() == 2U);
  BOOST_TEST((one[0].kind == Source::Kind::constant));
  BOOST_TEST(one[0].count == 1);
  BOOST_TEST((one[1].kind == Source::Kind::delayed));
  BOOST_TEST(one[1].begin == 1);
  BOOST_TEST(one[1].count == 9);
  BOOST_TEST(one[1].delay == 1);
  BOOST_TEST(one[1].node == 3);

  const std::vector<Source>& two = sources(f, 2, 1);
  BOOST_REQUIRE(two.size() == 2U);
  BOOST_TEST(two[0].count == 2);
  BOOST_TEST(two[1].count == 8);
  BOOST_TEST(two[1].delay == 2);

  BOOST_REQUIRE(sources(f, 3, 0).size() == 1U);
  BOOST_TEST((sources(f, 3, 0)[0].kind == Source::Kind::inside));
  BOOST_TEST(sources(f, 3, 0)[0].node == 2);
  check_unfolds(s);
}

BOOST_AUTO_TEST_CASE(places_of_nodes) {
  const Folded f = graph::fold(two_steps_back(10));
  BOOST_TEST(f.place(0).loop == -1);
  BOOST_TEST(f.place(41).loop == -1);
  BOOST_TEST(f.place(-1).loop == -1);
  BOOST_TEST(f.place(42).loop == -1);
  for (Index n = 1; n < 41; ++n) {
    const Folded::Place place = f.place(n);
    BOOST_TEST(place.loop == 0);
    BOOST_TEST(place.iteration == (n - 1) / 4);
    BOOST_TEST(place.operation == (n - 1) % 4);
    BOOST_TEST(place.variant == 0);
  }
}

BOOST_AUTO_TEST_CASE(layers_directions_and_passes_are_loops_of_their_own) {
  GraphBuilder g;
  const Index x = g.leaf();
  for (int pass = 0; pass < 2; ++pass)
    for (Index layer = 0; layer < 2; ++layer)
      for (const Direction d : {Direction::forward, Direction::backward}) {
        Index h = x;
        for (Index t = 0; t < 5; ++t) {
          g.place = {.path = "rnn",
                     .step = d == Direction::forward ? t : 4 - t,
                     .layer = layer,
                     .direction = d};
          h = g.node("tanh", {h});
        }
      }
  const Folded f = graph::fold(g.snapshot);
  BOOST_REQUIRE(f.loops.size() == 8U);
  BOOST_TEST(f.items.size() == 8U);
  for (std::size_t l = 0; l < 8; ++l) {
    BOOST_TEST(f.loops[l].steps.size() == 5U);
    BOOST_TEST(f.loops[l].variants.size() == 1U);
    BOOST_TEST(f.loops[l].layer == static_cast<Index>(l / 2 % 2));
    BOOST_TEST((f.loops[l].direction == (l % 2 == 0 ? Direction::forward : Direction::backward)));
    BOOST_TEST(graph::ranges(f.loops[l].steps) == (l % 2 == 0 ? "0–4" : "4–0"));
  }
  check_unfolds(g.snapshot);
}

BOOST_AUTO_TEST_CASE(what_is_done_once_before_and_after_is_no_part_of_the_loop) {
  GraphBuilder g;
  Index h = g.leaf();
  for (Index t = 0; t < 6; ++t) {
    g.place.step = t;
    if (t == 0) h = g.node("affine", {h});
    h = g.node("tanh", {g.node("add", {h, h})});
    if (t == 5) h = g.node("softmax", {h});
  }
  const Folded f = graph::fold(g.snapshot);
  BOOST_REQUIRE(f.items.size() == 3U);
  BOOST_TEST(f.items[0].node == 0);
  BOOST_TEST(f.items[1].loop == 0);
  BOOST_TEST(f.items[2].node == 13);
  BOOST_TEST(f.loops[0].variants.size() == 1U);
  BOOST_TEST(f.loops[0].steps.size() == 6U);
  check_unfolds(g.snapshot);
}

BOOST_AUTO_TEST_CASE(branches_are_variants) {
  GraphBuilder g;
  Index h = g.leaf();
  const std::string branches = "AABABBBA";
  for (Index t = 0; t < 8; ++t) {
    g.place.step = t;
    h = g.node("affine", {h});
    h = g.node(branches[static_cast<std::size_t>(t)] == 'A' ? "tanh" : "relu", {h});
  }
  const Folded f = graph::fold(g.snapshot);
  BOOST_REQUIRE(f.loops.size() == 1U);
  const Loop& loop = f.loops[0];
  BOOST_REQUIRE(loop.variants.size() == 2U);
  BOOST_TEST(graph::ranges(loop.variants[0].iterations) == "0, 1, 3, 7");
  BOOST_TEST(graph::ranges(loop.variants[1].iterations) == "2, 4–6");
  // A after A, B, A, B; the first reads a leaf.
  const std::vector<Source>& from = sources(f, 0, 0);
  BOOST_REQUIRE(from.size() == 3U);
  BOOST_TEST((from[0].kind == Source::Kind::leaf));
  BOOST_TEST(from[1].variant == 0);
  BOOST_TEST(from[2].variant == 1);
  BOOST_TEST(from[2].count == 2);
  check_unfolds(g.snapshot);
}

BOOST_AUTO_TEST_CASE(other_wiring_is_another_variant) {
  GraphBuilder g;
  const Index x = g.leaf();
  for (Index t = 0; t < 6; ++t) {
    g.place.step = t;
    const Index both = g.node("split", {x}, 2);
    g.node("tanh", {both + (t >= 3 ? 1 : 0)});
  }
  const Folded f = graph::fold(g.snapshot);
  BOOST_REQUIRE(f.loops.size() == 1U);
  BOOST_TEST(f.loops[0].variants.size() == 2U);
  check_unfolds(g.snapshot);
}

BOOST_AUTO_TEST_CASE(a_first_iteration_that_is_wired_otherwise_stays) {
  GraphBuilder g;
  const Index x = g.leaf();
  for (Index t = 0; t < 6; ++t) {
    g.place.step = t;
    if (t == 0) g.node("relu", {x});
    const Index both = g.node("split", {x}, 2);
    g.node("tanh", {both + (t == 0 ? 1 : 0)});
  }
  const Folded f = graph::fold(g.snapshot);
  BOOST_REQUIRE(f.items.size() == 1U);
  BOOST_TEST(f.loops[0].variants.size() == 2U);
  check_unfolds(g.snapshot);
}

// Forward, then the derivatives of its steps: both go through the last step.
BOOST_AUTO_TEST_CASE(a_recorded_gradient_is_a_loop_of_its_own) {
  GraphBuilder g;
  Index h = g.leaf();
  for (const int order : {0, 1, 2})
    for (Index t = 0; t < 5; ++t) {
      g.place = {.path = "rnn", .step = order == 1 ? 4 - t : t, .order = order};
      h = g.node("tanh", {h});
    }
  const Folded f = graph::fold(g.snapshot);
  BOOST_REQUIRE(f.loops.size() == 3U);
  BOOST_TEST(graph::ranges(f.loops[0].steps) == "0–4");
  BOOST_TEST(graph::ranges(f.loops[1].steps) == "4–0");
  BOOST_TEST(graph::ranges(f.loops[2].steps) == "0–4");
  check_unfolds(g.snapshot);
}

// Two steps read backwards, before them something labelled with the first: 0, 1, 0.
BOOST_AUTO_TEST_CASE(a_turn_belongs_to_the_steps_it_is_like) {
  GraphBuilder g;
  const Index x = g.leaf();
  g.place.step = 0;
  Index h = g.node("affine", {x});
  for (const Index t : {1, 0}) {
    g.place.step = t;
    h = g.node("tanh", {g.node("add", {h, x})});
  }
  const Folded f = graph::fold(g.snapshot);
  BOOST_REQUIRE(f.items.size() == 2U);
  BOOST_REQUIRE(f.loops.size() == 1U);
  BOOST_TEST(f.loops[0].first_node == 1);
  BOOST_TEST(f.loops[0].variants.size() == 1U);
  check_unfolds(g.snapshot);
}

// Now one operand, now two: an operand's sources cover the iterations that have it.
BOOST_AUTO_TEST_CASE(sources_of_operands_that_come_and_go) {
  GraphBuilder g;
  const Index x = g.leaf();
  for (Index t = 0; t < 8; ++t) {
    g.place.step = t;
    g.node("concat", t % 4 == 3 ? std::vector<Index>{x, x} : std::vector<Index>{x});
  }
  const Folded f = graph::fold(g.snapshot);
  BOOST_REQUIRE(f.loops.at(0).variants.size() == 1U);
  const std::vector<Source>& second = sources(f, 0, 1);
  BOOST_REQUIRE(second.size() == 2U);
  BOOST_TEST(second[0].begin == 3);
  BOOST_TEST(second[0].count == 1);
  BOOST_TEST(second[1].begin == 7);
  check_unfolds(g.snapshot);
}

BOOST_AUTO_TEST_CASE(shapes_that_grow_are_one_run) {
  GraphBuilder g;
  const Index x = g.leaf();
  for (Index t = 0; t < 20; ++t) {
    g.place.step = t;
    g.node("slice", {x}, 1, {t + 1, 4, 40 - 2 * t});
  }
  const Folded f = graph::fold(g.snapshot);
  const auto& outputs = f.loops.at(0).variants.at(0).operations.at(0).outputs;
  BOOST_REQUIRE(outputs.at(0).size() == 1U);
  BOOST_TEST(outputs[0][0].growth[0] == 1);
  BOOST_TEST(outputs[0][0].growth[1] == 0);
  BOOST_TEST(outputs[0][0].growth[2] == -2);
  check_unfolds(g.snapshot);
}

BOOST_AUTO_TEST_CASE(the_first_state_read_by_all_has_a_place_and_no_delay) {
  GraphBuilder g;
  Index h = g.leaf();
  Index first = h;
  for (Index t = 0; t < 9; ++t) {
    g.place.step = t;
    h = g.node("add", {h, first});
    if (t == 0) first = h;
  }
  const Folded f = graph::fold(g.snapshot);
  const std::vector<Source>& from = sources(f, 0, 1);
  BOOST_REQUIRE(from.size() == 2U);
  BOOST_TEST((from[1].kind == Source::Kind::outside));
  BOOST_TEST(from[1].node == 0);
  BOOST_TEST(from[1].node_stride == 0);
  BOOST_TEST(from[1].count == 8);
  check_unfolds(g.snapshot);
}

// h = tanh(h W + x), and where `branch(t)` squared.
template <class Branch>
Index add_bare_loop(GraphBuilder& g, Index h, Index steps, Branch branch) {
  const Index w = g.leaf({3, 3}, "W");
  const Index x = g.leaf();
  for (Index t = 0; t < steps; ++t) {
    const Index p = g.node("matmul", {h, w});
    h = g.node("tanh", {g.node("add", {p, x})});
    if (branch(t)) h = g.node("square", {h});
    g.node("sum", {h});
  }
  return h;
}

BOOST_AUTO_TEST_CASE(a_bare_loop) {
  GraphBuilder g;
  const Index h = g.node("tanh", {g.leaf()});
  g.node("softmax", {add_bare_loop(g, h, 20, [](Index) { return false; })});
  const Folded f = graph::fold(g.snapshot);
  BOOST_REQUIRE(f.items.size() == 3U);
  const Loop& loop = f.loops.at(0);
  BOOST_TEST(loop.first_node == 1);
  BOOST_TEST(loop.steps.size() == 20U);
  BOOST_TEST(loop.steps[0] == -1);
  BOOST_REQUIRE(loop.variants.size() == 1U);
  BOOST_TEST(sources(f, 0, 0).at(1).delay == 1);
  BOOST_TEST(sources(f, 0, 0).at(1).node == 2);
  check_unfolds(g.snapshot);
}

// Which rotation of a, b, c, d, a, b, c, … is the body: the one that hands on a state alone.
BOOST_AUTO_TEST_CASE(a_bare_loop_begins_where_the_fewest_values_cross) {
  GraphBuilder g;
  Index h = g.node("mul", {g.leaf(), g.leaf()});  // as at the end of the body
  for (Index t = 0; t < 8; ++t) {
    const Index a = g.node("tanh", {h});
    const Index b = g.node("sigmoid", {h});
    h = g.node("mul", {a, b});
  }
  const Folded f = graph::fold(g.snapshot);
  BOOST_REQUIRE(f.loops.size() == 1U);
  BOOST_TEST(f.loops[0].first_node == 1);
  BOOST_TEST(f.loops[0].steps.size() == 8U);
  check_unfolds(g.snapshot);
}

BOOST_AUTO_TEST_CASE(branches_in_bare_loops) {
  for (const Index steps : {30, 100}) {
    GraphBuilder g;
    add_bare_loop(g, g.leaf(), steps, [](Index t) { return t % 7 == 3; });
    const Folded f = graph::fold(g.snapshot);
    BOOST_REQUIRE(f.items.size() == 1U);
    const Loop& loop = f.loops.at(0);
    BOOST_TEST(std::ssize(loop.steps) == steps);
    BOOST_REQUIRE(loop.variants.size() == 2U);
    for (const Index i : loop.variants[1].iterations) BOOST_TEST(i % 7 == 3);
    BOOST_TEST(std::ssize(loop.variants[1].iterations) == (steps + 3) / 7);
    BOOST_TEST(loop.variants[1].operations.size() == 5U);
    check_unfolds(g.snapshot);
  }
}

// The first iteration has no sum to add to, nor a state to multiply.
BOOST_AUTO_TEST_CASE(a_bare_loop_whose_first_iteration_does_less) {
  GraphBuilder g;
  const Index x = g.leaf();
  const Index w = g.leaf({3, 3}, "W");
  Index h = g.node("relu", {x});
  Index total = -1;
  for (Index t = 0; t < 10; ++t) {
    h = g.node("tanh", {g.node("add", {g.node("matmul", {h, w}), x})});
    const Index term = g.node("mean", {g.node("square", {h})});
    total = t == 0 ? term : g.node("add", {total, term});
  }
  g.node("exp", {total});
  const Folded f = graph::fold(g.snapshot);
  BOOST_REQUIRE(f.items.size() == 3U);
  const Loop& loop = f.loops.at(0);
  BOOST_TEST(loop.first_node == 1);
  BOOST_TEST(loop.steps.size() == 10U);
  BOOST_REQUIRE(loop.variants.size() == 2U);
  BOOST_TEST(loop.variants[0].operations.size() == 5U);
  BOOST_TEST(loop.variants[1].operations.size() == 6U);
  BOOST_TEST(loop.variants[1].iterations.size() == 9U);
  check_unfolds(g.snapshot);
}

// A loop of the user's around a layer that runs a step of its own each time.
BOOST_AUTO_TEST_CASE(a_labelled_loop_around_a_layer) {
  GraphBuilder g;
  Index h = g.leaf();
  for (Index t = 0; t < 7; ++t) {
    g.place = {.path = "embed", .step = t};
    h = g.node("embedding", {h});
    g.place = {.path = "lstm", .step = 0, .layer = 0, .direction = Direction::forward};
    h = g.node("pointwise", {h});
    g.place = {.path = "out", .step = t};
    h = g.node("affine", {h});
  }
  const Folded f = graph::fold(g.snapshot);
  BOOST_REQUIRE(f.items.size() == 1U);
  BOOST_TEST(graph::ranges(f.loops.at(0).steps) == "0–6");
  BOOST_TEST(f.loops[0].layer == -1);
  BOOST_TEST(f.loops[0].variants.size() == 1U);
  check_unfolds(g.snapshot);
}

// The same loop again, from another state, is another loop.
BOOST_AUTO_TEST_CASE(bare_loops_over_several_sequences) {
  GraphBuilder g;
  Index total = -1;
  for (int sequence = 0; sequence < 3; ++sequence) {
    const Index h = add_bare_loop(g, g.leaf(), 12, [](Index) { return false; });
    total = g.node("add", {g.node("mean", {h}), total});
  }
  const Folded f = graph::fold(g.snapshot);
  BOOST_REQUIRE(f.loops.size() == 3U);
  BOOST_TEST(f.items.size() == 9U);
  for (const Loop& loop : f.loops) BOOST_TEST(loop.steps.size() == 12U);
  check_unfolds(g.snapshot);
}

BOOST_AUTO_TEST_CASE(nothing_to_fold) {
  check_unfolds({});
  GraphBuilder g;
  g.place.step = 0;
  g.node("tanh", {g.leaf()});
  g.leaf();
  BOOST_TEST(graph::fold(g.snapshot).loops.empty());
  check_unfolds(g.snapshot);
}

BOOST_AUTO_TEST_CASE(ranges_of_numbers) {
  const auto text = [](std::vector<Index> numbers) { return graph::ranges(numbers); };
  BOOST_TEST(text({}) == "");
  BOOST_TEST(text({4}) == "4");
  BOOST_TEST(text({0, 1}) == "0, 1");
  BOOST_TEST(text({0, 1, 2, 3, 7}) == "0–3, 7");
  BOOST_TEST(text({9, 8, 7, 3, 4}) == "9–7, 3, 4");
  BOOST_TEST(text({5, 5, 6, 7}) == "5, 5–7");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
