// explain() names module, time step and element in models.
#include <set>

#include <boost/test/unit_test.hpp>

#include "support/recurrent_layers.h"
#include "support/wrong_operation.h"

namespace unroll::test {
namespace {

using Indices = std::vector<Index>;

// An LSTM of a user, whose candidate is squared by an operation that may be wrong at one call of
// all that a run makes.
struct SquaredCell : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
    Index* calls = nullptr;
    Index wrong_call = -1;
    Wrong wrong = Wrong::everywhere;
  };
  using State = nn::LSTMState;
  explicit SquaredCell(Options o) : options(o) {}
  const Options options;
  nn::Parameter Wx{*this, "Wx", {options.input, 4 * options.hidden}, init::xavier()};
  nn::Parameter Wh{*this, "Wh", {options.hidden, 4 * options.hidden}, init::orthogonal()};
  nn::Parameter b{*this, "b", {4 * options.hidden}, init::zeros()};

  Tensor project(const Tensor& x) const { return affine(x, Wx, b); }
  State step(const Tensor& gates, const State& s) const {
    auto [i, f, g, o] = split<4>(gates + matmul(s.h, Wh), -1);
    const bool here = (*options.calls)++ == options.wrong_call || options.wrong_call < 0;
    const Tensor squared = wrong_square(tanh(g), here ? options.wrong : Wrong::nothing);
    const Tensor c = sigmoid(f) * s.c + sigmoid(i) * squared;
    return {.h = sigmoid(o) * tanh(c), .c = c};
  }
};
static_assert(nn::Cell<SquaredCell>);

constexpr Index steps = 12;
constexpr Index layers = 2;

struct Model : nn::Module {
  Model(Index wrong_call, Wrong wrong) : call(wrong_call), how(wrong) {
    to(f64);
    randomize(*this, 4, 0.5);
  }
  Index call;
  Wrong how;
  mutable Index calls = 0;
  nn::Child<nn::Recurrent<SquaredCell>> encoder{
      *this,
      "encoder",
      {.input = 3,
       .hidden = 2,
       .layers = layers,
       .bidirectional = true,
       .cell = {.calls = &calls, .wrong_call = call, .wrong = how}}};
  nn::Child<nn::Linear> head{*this, "head", {.input = 4, .output = 1}};

  Tensor operator()(const Tensor& x) const {
    calls = 0;
    return mean(head(encoder(x).outputs));
  }
};

// What a call of the cell does is found out from the paths of a tape where none is wrong.
struct Place {
  std::string path;
  Index step = -1;
  Index node = -1;
};
Place place_of_call(Index call) {
  const Model model(-1, Wrong::nothing);
  Tape tape;
  static_cast<void>(model(random_values({steps, 2, 3}, 9)));
  const graph::Snapshot s = tape.snapshot();
  Place place;
  for (Index n = 0; n < std::ssize(s.nodes); ++n) {
    const graph::Node& node = s.nodes[static_cast<std::size_t>(n)];
    if (node.operation == "wrong_square" && call-- == 0)
      place = {.path = node.path, .step = node.step, .node = n};
  }
  return place;
}

Explanation explanation_of(Index call, Wrong wrong, int order = 1) {
  const Model model(call, wrong);
  const Tensor x = random_values({steps, 2, 3}, 9);
  return explain(model, [&] { return model(x); }, {.order = order});
}

BOOST_AUTO_TEST_SUITE(explain_models)

BOOST_AUTO_TEST_CASE(is_silent_for_library_layers_and_for_a_right_cell) {
  const Explanation e = explanation_of(-1, Wrong::nothing, 2);
  BOOST_TEST((e.fault == Fault::none), e);
  BOOST_TEST(e.judged == e.nodes, e);
  BOOST_TEST(e.nodes > 12 * 4 * 10);

  nn::LSTM lstm({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true});
  lstm.to(f64);
  const Tensor x = random_values({steps, 3, 3}, 9);
  const std::vector<Index> lengths{12, 7, 0};
  const Explanation l = explain(
      lstm, x, [&](const Tensor& in) { return weighted_sum(lstm(in, {.lengths = lengths})); });
  BOOST_TEST((l.fault == Fault::none), l);
  BOOST_TEST(l.judged == l.nodes, l);
}

BOOST_AUTO_TEST_CASE(names_layer_direction_and_time_step) {
  std::set<std::string> paths;
  for (Index sweep = 0; sweep < 2 * layers; ++sweep) {
    const Index call = sweep * steps + 5;
    const Place place = place_of_call(call);
    const Explanation e = explanation_of(call, Wrong::everywhere);
    BOOST_TEST_REQUIRE(e.found, e);
    BOOST_TEST(e.operation == "wrong_square");
    BOOST_TEST(e.path == place.path);
    BOOST_TEST(e.path.starts_with("encoder."));
    BOOST_TEST(e.step == place.step);
    BOOST_TEST((e.step == 5 || e.step == steps - 1 - 5), e);
    BOOST_TEST(e.node == place.node);
    BOOST_TEST(e.wrong == 1);
    BOOST_TEST((e.inputs[0] == Shape{2, 2}));
    BOOST_TEST(e.index == e.output_index, boost::test_tools::per_element());
    BOOST_TEST(e.analytic / e.numeric == 1.0001, boost::test_tools::tolerance(1e-8));
    BOOST_TEST(e.text().find("at " + place.path + ", t=" + std::to_string(place.step)) !=
               std::string::npos);
    paths.insert(e.path);
  }
  BOOST_TEST(paths.size() == 4U);
}

BOOST_AUTO_TEST_CASE(the_first_of_many_is_named_and_all_are_counted) {
  const Place place = place_of_call(0);
  const Explanation e = explanation_of(-1, Wrong::everywhere);
  BOOST_TEST_REQUIRE(e.found, e);
  BOOST_TEST(e.node == place.node);
  BOOST_TEST(e.wrong == 2 * layers * steps);
}

BOOST_AUTO_TEST_CASE(names_the_element_in_a_cell) {
  const Explanation e = explanation_of(17, Wrong::one_element);
  BOOST_TEST_REQUIRE(e.found, e);
  BOOST_TEST(e.node == place_of_call(17).node);
  BOOST_TEST(e.index == (Indices{1, 1}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(tells_second_order_in_a_cell) {
  BOOST_TEST(!explanation_of(30, Wrong::in_second_order, 1).found);
  const Explanation e = explanation_of(30, Wrong::in_second_order, 2);
  BOOST_TEST_REQUIRE(e.found, e);
  BOOST_TEST((e.fault == Fault::second_order), e);
  BOOST_TEST(e.node == place_of_call(30).node);
}

// A forgotten history between windows.
BOOST_AUTO_TEST_CASE(names_the_layer_where_history_is_cut) {
  struct Cut : nn::Module {
    Cut() { to(f64); }
    nn::Child<nn::LSTM> first{*this, "first", {.input = 3, .hidden = 2}};
    nn::Child<nn::LSTM> second{*this, "second", {.input = 2, .hidden = 2}};
  };
  const Cut model;
  const Tensor x = random_values({4, 2, 3}, 9);
  const Explanation e = explain(model, [&] {
    const auto out = model.first(x);
    return sum(model.second(out.outputs, {.initial = detach(out.state)}).outputs);
  });
  BOOST_TEST_REQUIRE(e.found, e);
  BOOST_TEST((e.fault == Fault::cut), e);
  BOOST_TEST(e.path.starts_with("second."), e);
  BOOST_TEST(e.step == 0);
  BOOST_TEST(e.text().find("first.0.forward") != std::string::npos, e);
}

BOOST_AUTO_TEST_CASE(refuses_a_model_in_f32) {
  const nn::Linear model({.input = 2, .output = 1});
  const Tensor x = random_values({2, 2}, 9);
  BOOST_CHECK_THROW(explain(model, [&] { return sum(model(x.to(f32))); }), Error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace unroll::test
