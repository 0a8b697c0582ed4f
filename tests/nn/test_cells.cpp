// Cells of one's own in the lifter: which hooks, which states, what is checked.
#include <map>
#include <set>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"
#include "support/recurrent_layers.h"

namespace unroll::test {
namespace {

// A simple recurrent step in every way a cell can be written; all compute tanh(x·Wx + h·Wh + b).
struct StepOnly : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
  };
  struct State {
    Tensor h;
  };
  explicit StepOnly(Options o) : options(o) {}
  const Options options;
  nn::Parameter Wx{*this, "Wx", {options.input, options.hidden}, init::xavier()};
  nn::Parameter Wh{*this, "Wh", {options.hidden, options.hidden}, init::orthogonal()};
  nn::Parameter b{*this, "b", {options.hidden}, init::zeros()};

  State step(const Tensor& x, const State& s) const {
    return {.h = tanh(affine(x, Wx, b) + matmul(s.h, Wh))};
  }
};

struct Projecting : StepOnly {
  using StepOnly::StepOnly;
  Tensor project(const Tensor& x) const { return affine(x, Wx, b); }
  State step(const Tensor& p, const State& s) const { return {.h = tanh(p + matmul(s.h, Wh))}; }
};

// Counts its calls: begin once for a sequence, step once for a time step.
struct Calls {
  Index begin = 0, batch = 0, project = 0, step = 0;
};
struct Beginning : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
    Calls* calls = nullptr;
  };
  struct State {
    Tensor h;
  };
  struct Begun {
    Tensor Wh;
    Index batch;
  };
  explicit Beginning(Options o) : options(o) {}
  const Options options;
  nn::Parameter Wx{*this, "Wx", {options.input, options.hidden}, init::xavier()};
  nn::Parameter Wh{*this, "Wh", {options.hidden, options.hidden}, init::orthogonal()};
  nn::Parameter b{*this, "b", {options.hidden}, init::zeros()};

  Begun begin(Index batch) const {
    ++options.calls->begin;
    options.calls->batch = batch;
    return {.Wh = 0.5 * (Wh + Wh),
            .batch = batch};  // made anew: not a parameter, yet gathered like one
  }
  Tensor project(const Tensor& x) const {
    ++options.calls->project;
    return affine(x, Wx, b);
  }
  State step(const Tensor& p, const State& s, const Begun& w) const {
    ++options.calls->step;
    BOOST_TEST(w.batch == s.h.size(0));
    return {.h = tanh(p + matmul(s.h, w.Wh))};
  }
};

// A state without h, a start that is not 0, an output that is not a field.
struct Named : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
  };
  struct State {
    Tensor memory;
  };
  explicit Named(Options o) : options(o) {}
  const Options options;
  nn::Parameter Wx{*this, "Wx", {options.input, options.hidden}, init::xavier()};

  State initial_state(Index batch) const {
    return {.memory = full({batch, options.hidden}, 3, dtype())};
  }
  Tensor output(const State& s) const { return 2.0 * s.memory; }
  State step(const Tensor& x, const State& s) const { return {.memory = s.memory + matmul(x, Wx)}; }
};

// Running sums in a nested state of many tensors, and a number.
struct Nested : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
  };
  struct Pair {
    Tensor a, b;
  };
  struct State {
    Tensor h;
    Pair pair;
    std::vector<Tensor> list;
    Index steps;
  };
  explicit Nested(Options o) : options(o) {}
  const Options options;

  State initial_state(Index batch) const {
    const Tensor zero = zeros({batch, options.hidden});
    return {.h = zero,
            .pair = {.a = zero, .b = zeros({batch, 2, options.hidden})},
            .list = {zero, zeros({batch})},
            .steps = 0};
  }
  State step(const Tensor& x, const State& s) const {
    return {.h = s.h + x,
            .pair = {.a = s.pair.a + 2.0 * x, .b = s.pair.b + stack({x, 10.0 * x}, 1)},
            .list = {s.list[0] - x, s.list[1] + select(x, 1, 0)},
            .steps = s.steps + 1};
  }
};

struct NoModule {
  using Options = StepOnly::Options;
  using State = StepOnly::State;
  State step(const Tensor&, const State& s) const { return s; }
};
struct NoHidden : nn::Module {
  struct Options {
    Index input = 0;
  };
  using State = StepOnly::State;
  State step(const Tensor&, const State& s) const { return s; }
};
struct NoState : nn::Module {
  using Options = StepOnly::Options;
  Tensor step(const Tensor& x, const Tensor&) const { return x; }
};
struct WrongResult : nn::Module {
  using Options = StepOnly::Options;
  using State = StepOnly::State;
  Tensor step(const Tensor& x, const State&) const { return x; }
};
struct NotConst : nn::Module {
  using Options = StepOnly::Options;
  using State = StepOnly::State;
  State step(const Tensor&, const State& s) { return s; }
};
struct NoOutput : nn::Module {
  using Options = StepOnly::Options;
  using State = Named::State;
  State step(const Tensor&, const State& s) const { return s; }
};
struct WantsMore : nn::Module {
  using Options = StepOnly::Options;
  using State = StepOnly::State;
  State step(const Tensor&, const State& s, Index) const { return s; }
};
struct WantsOther : nn::Module {
  using Options = StepOnly::Options;
  using State = StepOnly::State;
  Tensor begin(Index) const { return {}; }
  State step(const Tensor&, const State& s, Index*) const { return s; }
};

static_assert(nn::Cell<StepOnly> && nn::Cell<Projecting> && nn::Cell<Beginning> &&
              nn::Cell<Named> && nn::Cell<Nested>);
static_assert(nn::Cell<nn::LSTMCell> && nn::Cell<nn::GRUCell> && nn::Cell<nn::RNNCell>);
static_assert(!nn::Cell<NoModule> && !nn::Cell<NoHidden> && !nn::Cell<NoState> &&
              !nn::Cell<WrongResult>);
static_assert(!nn::Cell<NotConst> && !nn::Cell<NoOutput> && !nn::Cell<WantsMore> &&
              !nn::Cell<WantsOther>);
static_assert(!nn::Cell<nn::LSTM> && !nn::Cell<nn::Linear> && !nn::Cell<int>);
static_assert(nn::HasProject<Projecting> && !nn::HasProject<StepOnly> && nn::HasBegin<Beginning> &&
              !nn::HasBegin<Named>);

struct Step {
  Tensor outputs;
  std::vector<Tensor> gradients;
};

// Layers of a cell with the weights of an nn::RNN, and what they make of the same sequence.
template <class Layer>
Step train(Layer& layer, std::span<const Index> lengths) {
  layer.to(f64);
  randomize(layer, 3);
  Tape tape;
  const Tensor x = tape.watch(random_values({5, 3, 2}, 1));
  const auto out = layer(x, {.lengths = lengths});
  const Tensor loss = weighted_sum(out);
  Step result{.outputs = detach(out.outputs), .gradients = {tape.gradient(loss, x)}};
  const auto grads = tape.backward(loss);
  for (const auto& [path, p] : layer.parameters()) result.gradients.push_back(grads[p]);
  return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cells)

BOOST_AUTO_TEST_CASE(every_way_to_write_a_cell_computes_the_same) {
  nn::RNN own({.input = 2, .hidden = 4, .layers = 2, .bidirectional = true});
  nn::Recurrent<StepOnly> steps({.input = 2, .hidden = 4, .layers = 2, .bidirectional = true});
  nn::Recurrent<Projecting> projects({.input = 2, .hidden = 4, .layers = 2, .bidirectional = true});
  Calls calls;
  nn::Recurrent<Beginning> begins(
      {.input = 2, .hidden = 4, .layers = 2, .bidirectional = true, .cell = {.calls = &calls}});
  const std::vector<Index> uneven{2, 5, 0};
  for (const std::vector<Index>& lengths : {std::vector<Index>{}, uneven}) {
    calls = {};
    const Step expected = train(own, lengths);
    for (const Step& found :
         {train(steps, lengths), train(projects, lengths), train(begins, lengths)}) {
      BOOST_TEST(disagreement(found.outputs, expected.outputs, {.relative = 1e-13}) == "");
      BOOST_REQUIRE(found.gradients.size() == 13U);
      for (std::size_t i = 0; i < found.gradients.size(); ++i)
        BOOST_TEST(disagreement(found.gradients[i], expected.gradients[i], {.relative = 1e-12}) ==
                   "");
    }
    BOOST_TEST(calls.begin == 4);
    BOOST_TEST(calls.batch == 3);
    BOOST_TEST(calls.project == 4);
    BOOST_TEST(calls.step == 20);
  }
}

BOOST_AUTO_TEST_CASE(initial_state_and_output) {
  nn::Recurrent<Named> layer({.input = 2, .hidden = 3});
  const auto out = layer(zeros({2, 4, 2}));
  BOOST_TEST(all_equal(out.outputs, full({2, 4, 3}, 6)));
  BOOST_TEST(all_equal(out.state.forward[0].memory, full({4, 3}, 3)));
  const auto given = layer(zeros({2, 4, 2}), {.initial = {.forward = {{.memory = ones({4, 3})}}}});
  BOOST_TEST(all_equal(given.outputs, full({2, 4, 3}, 2)));
  const std::vector<Index> lengths{0, 1, 2, 1};
  const auto uneven = layer(zeros({2, 4, 2}), {.lengths = lengths}).outputs;
  BOOST_TEST(sum(uneven).item() == 4 * 3 * 6.0);
  BOOST_TEST(layer(zeros({0, 4, 2})).outputs.shape() == (Shape{0, 4, 3}));
}

BOOST_AUTO_TEST_CASE(nested_states_keep_ended_rows) {
  nn::Recurrent<Nested> layer({.input = 2, .hidden = 2, .bidirectional = true});
  const std::vector<Index> lengths{1, 3, 0};
  const auto out = layer(ones({4, 3, 2}), {.lengths = lengths});
  for (const Nested::State& s : {out.state.forward[0], out.state.backward[0]}) {
    for (Index b = 0; b < 3; ++b) {
      const auto n = static_cast<double>(lengths[static_cast<std::size_t>(b)]);
      const auto row = [&](const Tensor& x) { return contiguous(select(x, 0, b)); };
      BOOST_TEST(all_equal(row(s.h), full({2}, n)));
      BOOST_TEST(all_equal(row(s.pair.a), full({2}, 2 * n)));
      BOOST_TEST(all_equal(row(s.pair.b), stack({full({2}, n), full({2}, 10 * n)}, 0)));
      BOOST_TEST(sum(row(s.list[0])).item() == -2 * n);
      BOOST_TEST(row(s.list[1]).item() == n);
    }
  }
}

BOOST_AUTO_TEST_CASE(one_step_by_itself) {
  Calls calls;
  const auto check = [](const auto& layer, const auto& cell) {
    const Tensor x = random_values({3, 2}, 4, f32);
    const auto whole = layer(reshape(x, {1, 3, 2}));
    const auto one = nn::apply(cell, x, nn::initial_state(cell, 3));
    const auto expected = tensors_of(whole.state);
    const auto found = tensors_of(one);
    BOOST_REQUIRE(expected.size() == found.size());
    for (std::size_t i = 0; i < found.size(); ++i) BOOST_TEST(all_equal(found[i], expected[i]));
    BOOST_TEST(all_equal(nn::output(cell, one), contiguous(select(whole.outputs, 0, 0))));
  };
  const auto check_layer = [&](const auto& layer) { check(layer, layer.cell(0)); };
  check_layer(nn::LSTM({.input = 2, .hidden = 4}));
  check_layer(nn::GRU({.input = 2, .hidden = 4, .biases = 2}));
  check_layer(nn::RNN({.input = 2, .hidden = 4, .biases = 0}));
  check_layer(nn::Recurrent<StepOnly>({.input = 2, .hidden = 4}));
  check_layer(nn::Recurrent<Projecting>({.input = 2, .hidden = 4}));
  check_layer(nn::Recurrent<Beginning>({.input = 2, .hidden = 4, .cell = {.calls = &calls}}));
  check_layer(nn::Recurrent<Named>({.input = 2, .hidden = 4}));
  const nn::GRUCell cell({.input = 2, .hidden = 4});
  const nn::GRUState s = cell(ones({3, 2}), cell.initial_state(3));
  BOOST_TEST(s.h.shape() == (Shape{3, 4}));
}

BOOST_AUTO_TEST_CASE(sizes_come_from_the_layer) {
  using Layer = nn::Recurrent<StepOnly>;
  check_text([] { Layer({.input = 3, .hidden = 4, .cell = {.input = 5}}); },
             "[recurrent] cell.input is 5, the layer needs 3; needed cell sizes left to the layer; "
             "hint: leave "
             ".cell.input out");
  check_text([] { Layer({.input = 3, .hidden = 4, .layers = 2, .cell = {.hidden = 8}}); },
             "[recurrent] cell.hidden is 8, the layer needs 4; needed cell sizes left to the "
             "layer; hint: leave "
             ".cell.hidden out");
  const Layer same({.input = 3,
                    .hidden = 4,
                    .layers = 2,
                    .bidirectional = true,
                    .cell = {.input = 3, .hidden = 4}});
  BOOST_TEST(same.cell(0).options.input == 3);
  BOOST_TEST(same.cell(1).options.input == 8);
  BOOST_TEST(same.cell(1).options.hidden == 4);
  check_text([] { Layer({.hidden = 4}); },
             "[recurrent] input is 0; needed input > 0; hint: nn::Recurrent<Cell> layer({.input = "
             "65, .hidden = 128})");
}

BOOST_AUTO_TEST_CASE(errors_name_step_and_path) {
  struct Failing : nn::Module {
    struct Options {
      Index input = 0, hidden = 0;
    };
    struct State {
      Tensor h;
      Index t;
    };
    explicit Failing(Options o) : options(o) {}
    const Options options;
    nn::Parameter Wh{*this, "Wh", {options.hidden, options.hidden}, init::orthogonal()};
    State initial_state(Index batch) const { return {.h = zeros({batch, options.hidden}), .t = 0}; }
    State step(const Tensor& x, const State& s) const {
      return {.h = tanh(matmul(s.t == 2 ? x : s.h, Wh)), .t = s.t + 1};
    }
  };
  struct Model : nn::Module {
    nn::Child<nn::Recurrent<Failing>> deep{
        *this, "deep", {.input = 3, .hidden = 4, .layers = 1, .bidirectional = true}};
  } model;
  try {
    static_cast<void>(model.deep(zeros({5, 2, 3})));
    BOOST_TEST(false);
  } catch (const Error& e) {
    BOOST_TEST(e.what() == std::string("[matmul] at deep.0.forward, t=2: x f32 [2, 3] and W f32 "
                                       "[4, 4] disagree in 3 and 4; needed x "
                                       "[..., 4]; hint: options .input is 4"));
    BOOST_TEST(e.operation() == "matmul");
    BOOST_TEST(e.path() == "deep.0.forward");
    BOOST_TEST(e.step() == 2);
  }
  BOOST_TEST(current_place().path == "");  // nothing is left open
  BOOST_TEST(current_place().step == -1);
}

BOOST_AUTO_TEST_CASE(graphs_name_step_and_path) {
  nn::Recurrent<StepOnly> layer({.input = 2, .hidden = 3, .layers = 2, .bidirectional = true});
  Tape tape;
  static_cast<void>(layer(zeros({3, 2, 2})));
  std::map<std::string, std::set<Index>> steps;
  for (const graph::Node& n : tape.snapshot().nodes)
    if (n.operation == "tanh") steps[n.path].insert(n.step);
  BOOST_TEST(steps.size() == 4U);
  for (const char* path : {"0.forward", "0.backward", "1.forward", "1.backward"})
    BOOST_TEST((steps[path] == std::set<Index>{0, 1, 2}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
