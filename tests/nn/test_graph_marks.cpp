// What a layer tells the tape for graphs: which cell runs in which layer and direction, and which
// values are its states.
#include <map>
#include <set>

#include <boost/test/unit_test.hpp>

#include "support/recurrent_layers.h"

namespace unroll::test {
namespace {

// Two tensors in the state, a vector of them, and a module inside.
struct MemoryCell : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
  };
  struct State {
    Tensor h;
    std::vector<Tensor> slots;
    Tensor last;  // the h before: no new value
  };
  explicit MemoryCell(Options o) : options(o) {}
  const Options options;
  nn::Child<nn::Linear> inner{
      *this, "inner", {.input = options.input + options.hidden, .output = options.hidden}};

  State initial_state(Index batch) const {
    const Tensor zero = zeros({batch, options.hidden}, dtype());
    return {.h = zero, .slots = {zero, zero}, .last = zero};
  }
  State step(const Tensor& x, const State& s) const {
    const Tensor h = tanh(inner(concat({x, s.h}, -1)));
    return {.h = h, .slots = {s.slots[0] + h, s.slots[1] * h}, .last = s.h};
  }
};

struct Mark {
  std::string path, name;
  Index layer, step;
  graph::Direction direction;
  friend auto operator<=>(const Mark&, const Mark&) = default;
};

// How often each mark is there.
std::map<Mark, int> marks_of(const graph::Snapshot& s) {
  std::map<Mark, int> marks;
  for (const graph::Value& v : s.values) {
    if (v.state.empty()) continue;
    BOOST_REQUIRE(v.node >= 0);
    const graph::Node& n = s.nodes.at(static_cast<std::size_t>(v.node));
    ++marks[{n.path, v.state, n.layer, n.step, n.direction}];
  }
  return marks;
}

const graph::Value& value_of(const graph::Snapshot& s, const Tensor& x) {
  return s.values.at(x.header()->value);
}

// Each field once at each step of each layer and direction, and no other.
void check_all(const graph::Snapshot& s, Index layers, bool bidirectional, Index steps,
               const std::vector<std::string>& names) {
  std::map<Mark, int> expected;
  for (Index layer = 0; layer < layers; ++layer)
    for (const bool backward : {false, true}) {
      if (backward && !bidirectional) continue;
      for (Index t = 0; t < steps; ++t)
        for (const std::string& name : names)
          expected[{std::to_string(layer) + (backward ? ".backward" : ".forward"), name, layer, t,
                    backward ? graph::Direction::backward : graph::Direction::forward}] = 1;
    }
  BOOST_TEST((marks_of(s) == expected));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_marks)

BOOST_AUTO_TEST_CASE(of_library_layers) {
  const Tensor x = random_values({5, 2, 3}, 1, f32);
  for (const Index every : {0, 2})
    for (const bool bidirectional : {false, true}) {
      nn::LSTM lstm({.input = 3,
                     .hidden = 4,
                     .layers = 2,
                     .bidirectional = bidirectional,
                     .recompute_every = every});
      Tape tape;
      const auto out = lstm(x);
      check_all(tape.snapshot(), 2, bidirectional, 5, {"h", "c"});
      for (const auto& state : out.state.forward) {
        BOOST_TEST(value_of(tape.snapshot(), state.h).state == "h");
        BOOST_TEST(value_of(tape.snapshot(), state.c).state == "c");
      }
      static_cast<void>(tape.backward(weighted_sum(out), {.keep_norms = true}));
      const auto closed = tape.snapshot();
      check_all(closed, 2, bidirectional, 5, {"h", "c"});
      for (const graph::Value& v : closed.values)
        if (!v.state.empty()) BOOST_TEST(v.gradient_norm.value() > 0);

      nn::GRU gru({.input = 3, .hidden = 4, .bidirectional = bidirectional});
      Tape other;
      static_cast<void>(gru(x));
      check_all(other.snapshot(), 1, bidirectional, 5, {"h"});
    }
}

// Operations of the layer itself belong to no cell.
BOOST_AUTO_TEST_CASE(what_is_in_a_layer) {
  nn::LSTM lstm({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true});
  Tape tape;
  static_cast<void>(sum(lstm(random_values({3, 2, 3}, 1, f32)).outputs));
  for (const graph::Node& n : tape.snapshot().nodes) {
    const bool in_cell = n.path.ends_with(".forward") || n.path.ends_with(".backward");
    BOOST_TEST(in_cell == (n.layer >= 0));
    if (in_cell) {
      BOOST_TEST(n.path.starts_with(std::to_string(n.layer)));
      BOOST_TEST(n.path.ends_with(".backward") == (n.direction == graph::Direction::backward));
    } else {
      BOOST_TEST((n.direction == graph::Direction::none));
    }
  }
}

// A cell of one's own, with a module inside, gets all of it from the lifter.
BOOST_AUTO_TEST_CASE(of_a_cell_of_ones_own) {
  nn::Recurrent<MemoryCell> layer({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true});
  Tape tape;
  static_cast<void>(layer(random_values({3, 2, 3}, 1, f32)));
  const auto s = tape.snapshot();
  std::map<std::string, int> names;
  for (const auto& [mark, count] : marks_of(s)) {
    BOOST_TEST(count == 1);
    ++names[mark.name];
  }
  // Fields that no state usually has are numbered; the last one is no tensor of its own.
  BOOST_TEST((names == std::map<std::string, int>{{"h", 12}, {"1[0]", 12}, {"1[1]", 12}}));
  int inner = 0;
  for (const graph::Node& n : s.nodes)
    if (n.path.ends_with(".inner")) {
      ++inner;
      BOOST_TEST(n.layer == n.path[0] - '0');
      BOOST_TEST((n.direction == (n.path.find("backward") == std::string::npos
                                      ? graph::Direction::forward
                                      : graph::Direction::backward)));
    }
  BOOST_TEST(inner == 12);
}

// What a step hands on as it was is no state that it made.
BOOST_AUTO_TEST_CASE(of_states_that_were_there) {
  nn::Recurrent<MemoryCell> layer({.input = 3, .hidden = 4});
  Tape tape;
  const Tensor h = tape.watch(random_values({2, 4}, 1, f32));
  const MemoryCell::State initial{.h = h, .slots = {h, h * 2.0}, .last = h};
  static_cast<void>(layer(random_values({3, 2, 3}, 1, f32), {.initial = {.forward = {initial}}}));
  const auto s = tape.snapshot();
  BOOST_TEST(value_of(s, h).state == "");
  BOOST_TEST(value_of(s, initial.slots[1]).state == "");
  BOOST_TEST(marks_of(s).size() == 9U);
}

// Steps at which no row is valid make no state; where some rows have ended, the state is what is
// chosen of both.
BOOST_AUTO_TEST_CASE(with_lengths) {
  nn::GRU gru({.input = 3, .hidden = 4, .bidirectional = true});
  const std::vector<Index> lengths{4, 2};
  Tape tape;
  const auto out = gru(random_values({6, 2, 3}, 1, f32), {.lengths = lengths});
  const auto s = tape.snapshot();
  check_all(s, 1, true, 4, {"h"});
  BOOST_TEST(value_of(s, out.state.forward[0].h).state == "h");
  BOOST_TEST(value_of(s, out.state.backward[0].h).state == "h");
}

BOOST_AUTO_TEST_CASE(where_nothing_records) {
  nn::GRU gru({.input = 3, .hidden = 4});
  const Tensor x = random_values({3, 2, 3}, 1, f32);
  Tape tape;
  {
    const auto quiet = tape.pause();
    static_cast<void>(gru(x));
  }
  gru.freeze();
  static_cast<void>(gru(x));
  BOOST_TEST(tape.snapshot().values.empty());
  gru.unfreeze();
}

// The gradient of a gradient: its nodes have the layer of what they are the derivative of.
BOOST_AUTO_TEST_CASE(second_order) {
  nn::LSTM lstm({.input = 3, .hidden = 4});
  Tape tape;
  const Tensor x = tape.watch(random_values({3, 2, 3}, 1, f32));
  const Tensor g = tape.gradient(sum(square(lstm(x).outputs)), x, {.differentiable = true});
  const Index first = tape.nodes();
  static_cast<void>(tape.backward(sum(square(g)), {.keep_norms = true}));
  const auto s = tape.snapshot();
  check_all(s, 1, false, 3, {"h", "c"});
  std::set<int> orders;
  int in_layer = 0;
  for (const graph::Node& n : s.nodes) {
    orders.insert(n.order);
    if (n.order == 1 && n.layer == 0 && n.direction == graph::Direction::forward) ++in_layer;
  }
  BOOST_TEST((orders == std::set<int>{0, 1}));
  BOOST_TEST(in_layer > 10);
  BOOST_TEST(first < tape.nodes());
  for (const graph::Value& v : s.values)
    if (v.state == "h") BOOST_TEST(v.gradient_norm.value() > 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
