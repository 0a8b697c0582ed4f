// Graphs that no program records, folded and unfolded again.
#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/leaves.h"
#include "support/recorded_graph.h"

namespace unroll::test {
namespace {

using graph::Direction;
using graph::Snapshot;

std::string any_text(Rng& rng) {
  std::string text;
  for (Index n = rng.below(3); n > 0; --n) text += static_cast<char>(rng.below(256));
  return text;
}

Shape any_shape(Rng& rng) {
  Shape shape;
  for (Index n = rng.below(5); n > 0; --n) shape = shape.inserted(0, rng.below(4));
  return shape;
}

// Operations and places of few kinds, so that some of it repeats; pieces of it again, with changes.
class AnyGraph {
 public:
  explicit AnyGraph(std::uint64_t seed) : rng_(seed), spread_(1 + rng_.below(5)) {}

  Snapshot make() {
    while (std::ssize(s_.nodes) < 150)
      if (rng_.below(4) == 0 && !s_.nodes.empty())
        repeat();
      else
        add_node();
    while (rng_.below(2) == 0) add_value(-1);
    if (rng_.below(2) == 0) s_.loss = rng_.below(std::ssize(s_.values));
    return s_;
  }

 private:
  void add_value(Index node) {
    graph::Value& value = s_.values.emplace_back();
    value.node = node;
    if (rng_.below(3) == 0) value.shape = any_shape(rng_);
    if (rng_.below(8) == 0) value.dtype = f64;
    if (rng_.below(8) == 0) value.name = any_text(rng_);
    if (rng_.below(8) == 0) value.state = any_text(rng_);
    value.parameter = rng_.below(8) == 0;
  }

  void finish(graph::Node node, Index outputs) {
    while (rng_.below(6) == 0) add_value(-1);
    for (Index k = 0; k < outputs; ++k) {
      if (rng_.below(20) == 0) add_value(-1);  // a leaf between outputs
      node.outputs.push_back(std::ssize(s_.values));
      add_value(std::ssize(s_.nodes));
    }
    s_.nodes.push_back(std::move(node));
  }

  void add_node() {
    graph::Node node;
    node.operation = std::string(1, static_cast<char>('a' + rng_.below(spread_)));
    if (rng_.below(5) == 0) node.path = any_text(rng_);
    if (rng_.below(3) != 0) step_ += rng_.below(3) - 1;
    node.step = std::max<Index>(step_, -3);
    if (rng_.below(10) == 0) layer_ = rng_.below(3) - 1;
    node.layer = layer_;
    node.direction = static_cast<Direction>(layer_ + 1);
    node.order = rng_.below(30) == 0 ? 1 : 0;
    for (Index n = rng_.below(3); n > 0 && !s_.values.empty(); --n)
      node.inputs.push_back(rng_.below(std::ssize(s_.values) + 1) - 1);
    finish(std::move(node), rng_.below(12) == 0 ? rng_.below(4) : 1);
  }

  // The last nodes again, reading as far back as before or the same.
  void repeat() {
    const Index from =
        std::ssize(s_.nodes) - 1 - rng_.below(std::min<Index>(8, std::ssize(s_.nodes)));
    const Index length = std::ssize(s_.nodes) - from;
    const Index by = rng_.below(3) - 1;
    for (Index times = 1 + rng_.below(6), k = 0; k < times * length; ++k) {
      graph::Node node = s_.nodes[static_cast<std::size_t>(std::ssize(s_.nodes) - length)];
      const Index values = node.outputs.empty() ? 0 : std::ssize(s_.values) - node.outputs.front();
      const Index outputs = std::ssize(node.outputs);
      node.outputs.clear();
      node.step += by;
      for (Index& v : node.inputs)
        if (v >= 0 && rng_.below(2) == 0) v = std::min(v + values, std::ssize(s_.values) - 1);
      finish(std::move(node), outputs);
    }
  }

  Rng rng_;
  Index spread_;
  Index step_ = 0;
  Index layer_ = -1;
  Snapshot s_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(folding_anything)

BOOST_AUTO_TEST_CASE(comes_back_as_it_was) {
  std::size_t loops = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) BOOST_TEST_CONTEXT("seed " << seed) {
      const Snapshot s = AnyGraph(seed).make();
      const graph::Folded f = graph::fold(s);
      BOOST_TEST_REQUIRE(difference_of(s, graph::unfold(f)) == "");
      loops += f.loops.size();
    }
  BOOST_TEST(loops > 2000U);
}

// All that a snapshot can say of a node or a value, and what is measured is left out.
BOOST_AUTO_TEST_CASE(what_is_measured_is_not_kept) {
  Snapshot s;
  s.values.push_back({.shape = {2}, .gradient_norm = 3.0});
  s.values.push_back({.shape = {2}, .node = 0, .statistics = graph::Statistics{.mean = 1}});
  s.nodes.push_back(
      {.operation = "tanh", .inputs = {0}, .outputs = {1}, .saved_bytes = 8, .seconds = 1.0});
  const Snapshot back = graph::unfold(graph::fold(s));
  BOOST_TEST(difference_of(s, back) == "");
  BOOST_TEST(back.nodes[0].saved_bytes == 0);
  BOOST_TEST(!back.nodes[0].seconds.has_value());
  BOOST_TEST(!back.values[0].gradient_norm.has_value());
  BOOST_TEST(!back.values[1].statistics.has_value());
}

BOOST_AUTO_TEST_CASE(what_is_no_graph_is_refused) {
  Snapshot s;
  s.values.push_back({});
  s.nodes.push_back({.operation = "tanh", .inputs = {7}, .outputs = {}});
  BOOST_TEST(error_text([&] { graph::fold(s); }).starts_with("[graph] node 0 reads value 7"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
