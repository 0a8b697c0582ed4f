// What was recorded of random recurrent programs, folded and unfolded again.
#include <algorithm>

#include <boost/test/unit_test.hpp>

#include "support/random_cells.h"
#include "support/recorded_graph.h"

namespace unroll::test {
namespace {

using graph::Folded;
using graph::Loop;
using graph::Snapshot;
using graph::Source;

// Runs of sources follow each other, and there are as many as operands were recorded.
void check_sources(const Loop::Variant& variant, const Loop::Operation& operation) {
  Index inputs = operation.inputs.empty()
                     ? std::ssize(operation.operands) * std::ssize(variant.iterations)
                     : 0;
  for (const graph::Progress& run : operation.inputs)
    for (Index i = 0; i < run.count; ++i) inputs += run.first + i * run.stride;
  for (const Loop::Operand& operand : operation.operands) {
    Index before = 0;
    for (const Source& source : operand.sources) {
      BOOST_TEST_REQUIRE(source.begin >= before);
      BOOST_TEST_REQUIRE(source.count > 0);
      BOOST_TEST_REQUIRE((source.kind != Source::Kind::delayed || source.delay > 0));
      before = source.begin + source.count;
      inputs -= source.count;
    }
    BOOST_TEST_REQUIRE(before <= std::ssize(variant.iterations));
  }
  BOOST_TEST_REQUIRE(inputs == 0);
}

// Every node is in one place, every iteration of a variant has each of its operands from somewhere.
void check_counts(const Folded& f, const Snapshot& s) {
  Index node = 0;
  for (const Folded::Item& item : f.items) {
    BOOST_TEST_REQUIRE(item.node == node);
    if (item.loop < 0) {
      BOOST_TEST_REQUIRE(f.place(node).loop == -1);
      ++node;
      continue;
    }
    const Loop& loop = f.loops[static_cast<std::size_t>(item.loop)];
    BOOST_TEST_REQUIRE(loop.first_node == node);
    std::vector<std::size_t> seen(loop.variants.size());
    for (std::size_t i = 0; i < loop.variant.size(); ++i) {
      const auto v = static_cast<std::size_t>(loop.variant[i]);
      const Loop::Variant& variant = loop.variants[v];
      BOOST_TEST_REQUIRE(loop.starts[i] == node);
      BOOST_TEST_REQUIRE(variant.iterations.at(seen[v]++) == static_cast<Index>(i));
      for (std::size_t k = 0; k < variant.operations.size(); ++k, ++node) {
        const Folded::Place place = f.place(node);
        BOOST_TEST_REQUIRE(place.loop == item.loop);
        BOOST_TEST_REQUIRE(place.iteration == static_cast<Index>(i));
        BOOST_TEST_REQUIRE(place.operation == static_cast<Index>(k));
      }
    }
    for (const Loop::Variant& variant : loop.variants)
      for (const Loop::Operation& operation : variant.operations) check_sources(variant, operation);
  }
  BOOST_TEST_REQUIRE(node == std::ssize(s.nodes));
}

// Boxes that a drawing of it has.
Index size_of(const Folded& f) {
  Index size = 0;
  for (const Folded::Item& item : f.items) size += item.loop < 0 ? 1 : 0;
  for (const Loop& loop : f.loops)
    for (const Loop::Variant& variant : loop.variants) size += std::ssize(variant.operations);
  return size;
}

void check_program(Program program, std::uint64_t first_seed, std::uint64_t count) {
  Index recorded = 0;
  Index folded = 0;
  for (std::uint64_t seed = first_seed; seed < first_seed + count; ++seed)
    BOOST_TEST_CONTEXT(text_of(program) << ", seed " << seed) {
      const Snapshot s = record_program(program, seed);
      const Folded f = graph::fold(s);
      BOOST_TEST_REQUIRE(difference_of(s, graph::unfold(f)) == "");
      check_counts(f, s);
      recorded += std::ssize(s.nodes);
      folded += size_of(f);
    }
  BOOST_TEST_MESSAGE(text_of(program) << ": " << recorded << " operations in " << folded);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(folding_programs)

BOOST_AUTO_TEST_CASE(layers) { check_program(Program::layers, 0, 60); }
BOOST_AUTO_TEST_CASE(sequences_of_several_lengths) {
  check_program(Program::with_lengths, 100, 60);
}
BOOST_AUTO_TEST_CASE(bare_loops) { check_program(Program::bare_loop, 200, 60); }
BOOST_AUTO_TEST_CASE(labelled_loops) { check_program(Program::labelled_loop, 300, 60); }
BOOST_AUTO_TEST_CASE(branches) { check_program(Program::branches, 400, 40); }
BOOST_AUTO_TEST_CASE(branches_in_bare_loops) { check_program(Program::bare_branches, 450, 40); }
BOOST_AUTO_TEST_CASE(attention) { check_program(Program::attention, 500, 30); }
BOOST_AUTO_TEST_CASE(bare_attention) { check_program(Program::bare_attention, 600, 30); }
BOOST_AUTO_TEST_CASE(recorded_gradients) { check_program(Program::gradients, 700, 60); }

// A step is drawn once, and what is done once stands beside it.
BOOST_AUTO_TEST_CASE(a_deep_bidirectional_lstm_is_four_loops) {
  const nn::LSTM lstm({.input = 5, .hidden = 4, .layers = 2, .bidirectional = true});
  Tape tape;
  const Tensor loss = sum(square(lstm(uniform({200, 3, 5}, -1, 1)).outputs));
  const Snapshot s = tape.snapshot();
  const Folded f = graph::fold(s);
  BOOST_REQUIRE(f.loops.size() == 4U);
  for (std::size_t l = 0; l < 4; ++l) {
    const Loop& loop = f.loops[l];
    BOOST_TEST(loop.layer == static_cast<Index>(l / 2));
    BOOST_TEST(graph::ranges(loop.steps) == (l % 2 == 0 ? "0–199" : "199–0"));
    BOOST_REQUIRE(loop.variants.size() == 1U);
    BOOST_TEST(loop.variants[0].iterations.size() == 200U);
    // Its states come from the step before, its weights from leaves, all else from outside.
    Index delayed = 0;
    for (const Loop::Operation& operation : loop.variants[0].operations)
      for (const Loop::Operand& operand : operation.operands)
        for (const Source& source : operand.sources)
          if (source.kind == Source::Kind::delayed) {
            BOOST_TEST(source.delay == 1);
            BOOST_TEST(source.count == 199);
            ++delayed;
          }
    BOOST_TEST(delayed == 2);  // h and c
  }
  Index in_loops = 0;
  for (const Loop& loop : f.loops) in_loops += 200 * std::ssize(loop.variants[0].operations);
  BOOST_TEST(in_loops + std::ssize(f.items) - 4 == std::ssize(s.nodes));
  BOOST_TEST(size_of(f) < 40);
  static_cast<void>(loss);
}

// A long batch is projected in blocks: the steps that begin one do more.
BOOST_AUTO_TEST_CASE(a_layer_that_projects_in_blocks_is_a_loop_in_both_directions) {
  const nn::LSTM lstm({.input = 3, .hidden = 2, .bidirectional = true});
  Tape tape;
  const Tensor loss = sum(lstm(uniform({200, 32, 3}, -1, 1)).outputs);
  const Folded f = graph::fold(tape.snapshot());
  BOOST_REQUIRE(f.loops.size() == 2U);
  for (const Loop& loop : f.loops) {
    BOOST_TEST(loop.steps.size() == 200U);
    BOOST_REQUIRE(loop.variants.size() == 2U);
    BOOST_TEST(loop.variants[0].iterations.size() + loop.variants[1].iterations.size() == 200U);
    BOOST_TEST(std::min(loop.variants[0].iterations.size(), loop.variants[1].iterations.size()) ==
               4U);
  }
  static_cast<void>(loss);
}

BOOST_AUTO_TEST_CASE(attention_over_all_earlier_states_is_one_variant) {
  for (const Program program : {Program::attention, Program::bare_attention}) {
    const Snapshot s = record_program(program, 511);
    const Folded f = graph::fold(s);
    BOOST_REQUIRE(f.loops.size() == 1U);
    const Loop& loop = f.loops[0];
    BOOST_TEST_REQUIRE(loop.steps.size() > 20U);
    BOOST_TEST(loop.variants.size() <= 4U);  // the first steps read fewer states
    const Loop::Variant& last = loop.variants[static_cast<std::size_t>(loop.variant.back())];
    BOOST_TEST(last.iterations.size() > 15U);
    const auto stack = std::find_if(
        last.operations.begin(), last.operations.end(), [&](const Loop::Operation& operation) {
          return f.signatures[static_cast<std::size_t>(operation.signature)].operation == "stack";
        });
    BOOST_REQUIRE((stack != last.operations.end()));
    BOOST_TEST(stack->inputs.size() == 1U);
    BOOST_TEST(stack->inputs[0].stride == 1);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
