// gradcheck of models: every parameter by its path, inputs and nested states, and what stays as it
// was.
#include <unroll/unroll.h>

#include <cmath>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/ruled.h"

namespace unroll::test {
namespace {

constexpr Ruled wrong_tanh{[](const Tensor& x) { return tanh(x); },
                           [](const Backward&, const Tensor& x, const Tensor& dy) {
                             return dy * (1.0 - 0.5 * square(tanh(x)));
                           }};

// An LSTM whose candidate has a wrong derivative at one time step.
struct MutilatedCell : nn::Module {
  struct Options {
    Index input = 0, hidden = 0, wrong_at = 4;
  };
  struct State {
    Tensor h, c;
  };
  explicit MutilatedCell(Options o) : options(o) {}
  const Options options;
  nn::Parameter Wx{*this, "Wx", {options.input, 4 * options.hidden}, init::xavier()};
  nn::Parameter Wh{*this, "Wh", {options.hidden, 4 * options.hidden}, init::orthogonal()};
  nn::Parameter b{*this, "b", {4 * options.hidden}, init::uniform(0.5)};

  Tensor project(const Tensor& x) const { return affine(x, Wx, b); }
  State step(const Tensor& p, const State& s) const {
    const auto [i, f, g, o] = split<4>(p + matmul(s.h, Wh), -1);
    const Tensor candidate = current_place().step == options.wrong_at ? wrong_tanh(g) : tanh(g);
    const Tensor c = sigmoid(f) * s.c + sigmoid(i) * candidate;
    return {.h = sigmoid(o) * tanh(c), .c = c};
  }
};

template <class Layer>
struct EncoderOf : nn::Module {
  struct Options {
    Index vocab = 0, size = 3;
  };
  explicit EncoderOf(Options o) : options(o) {}
  const Options options;
  nn::Child<nn::Embedding> embed{*this, "embed", {.count = options.vocab, .size = options.size}};
  nn::Child<Layer> lstm{*this, "lstm", {.input = options.size, .hidden = options.size}};

  Tensor operator()(const Tensor& ids, std::span<const Index> lengths) const {
    return lstm(embed(ids), {.lengths = lengths}).state.forward.back().h;
  }
};

template <class Layer>
struct ClassifierOf : nn::Module {
  struct Options {
    Index vocab = 0, classes = 0;
  };
  explicit ClassifierOf(Options o) : options(o) {}
  const Options options;
  nn::Child<EncoderOf<Layer>> encoder{*this, "encoder", {.vocab = options.vocab}};
  nn::Child<nn::Linear> head{*this, "head", {.input = 3, .output = options.classes}};

  Tensor operator()(const Tensor& ids, std::span<const Index> lengths) const {
    return head(encoder(ids, lengths));
  }
};
using Classifier = ClassifierOf<nn::LSTM>;
using Mutilated = ClassifierOf<nn::Recurrent<MutilatedCell>>;

struct Data {
  Tensor ids = tensor({{1, 2}, {3, 4}, {5, 6}, {7, 8}, {9, 10}, {0, 1}});
  std::vector<Index> lengths{6, 3};
  Tensor labels = tensor({2, 0});
};

std::vector<std::vector<double>> values_of(const nn::Module& model) {
  std::vector<std::vector<double>> all;
  for (const auto& p : model.parameters()) {
    const auto values = p.tensor.span<double>();
    all.emplace_back(values.begin(), values.end());
  }
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gradcheck_models)

BOOST_AUTO_TEST_CASE(a_classifier) {
  const Data data;
  Classifier model({.vocab = 11, .classes = 3});
  const auto loss = [&] { return cross_entropy(model(data.ids, data.lengths), data.labels); };
  check_throws([&] { return gradcheck(model, loss); },
               "[gradcheck] encoder.embed.W f32 [11, 3]; needed a model in f64; hint: "
               "model.to(f64)");
  model.to(f64);
  const auto before = values_of(model);
  const auto report = gradcheck(model, loss, {.order = 2});
  BOOST_TEST(report.ok(), report);
  BOOST_TEST(report.compared() > model.parameters().elements());
  BOOST_TEST((values_of(model) == before));
}

// The text of the documentation: which parameter, which element, which time step.
BOOST_AUTO_TEST_CASE(a_mutilated_cell_is_named) {
  seed(3);
  const Data data;
  Mutilated model({.vocab = 11, .classes = 3});
  model.to(f64);
  const auto report =
      gradcheck(model, [&] { return cross_entropy(model(data.ids, data.lengths), data.labels); });
  BOOST_TEST_REQUIRE(!report.ok());
  const GradcheckFinding* wh = nullptr;
  for (const GradcheckFinding& f : report.findings()) {
    BOOST_TEST(!f.input.starts_with("head"));
    if (f.input == "encoder.lstm.0.forward.Wh") wh = &f;
  }
  BOOST_TEST_REQUIRE(wh != nullptr, report);
  BOOST_TEST(wh->step == 4);
  BOOST_TEST(wh->index.size() == 2U);
  BOOST_TEST((wh->shape == Shape{3, 12}));
  BOOST_TEST((wh->cause == GradcheckCause::wrong_derivative));
  BOOST_TEST(wh->text().starts_with("encoder.lstm.0.forward.Wh [3, 12] at ["), wh->text());
  BOOST_TEST(wh->text().find("] t=4: analytic ") != std::string::npos, wh->text());
  BOOST_TEST(report.text().find("first wrong operation: ") != std::string::npos);
  BOOST_TEST(report.explanation().find("ruled") != std::string::npos, report.explanation());
}

BOOST_AUTO_TEST_CASE(inputs_and_nested_states) {
  nn::LSTM lstm({.input = 2, .hidden = 3, .layers = 2, .bidirectional = true});
  lstm.to(f64);
  struct Inputs {
    Tensor x;
    nn::LSTM::State initial;
  };
  Inputs in{.x = uniform({4, 2, 2}, -1, 1), .initial = {}};
  for (int layer = 0; layer < 2; ++layer) {
    in.initial.forward.push_back({uniform({2, 3}, -1, 1, f64), uniform({2, 3}, -1, 1, f64)});
    in.initial.backward.push_back({uniform({2, 3}, -1, 1, f64), uniform({2, 3}, -1, 1, f64)});
  }
  const auto right = gradcheck(lstm, in, [&](const Inputs& s) {
    return mean(square(lstm(s.x, {.initial = s.initial}).outputs));
  });
  BOOST_TEST(right.ok(), right);
  const auto wrong = gradcheck(lstm, in, [&](const Inputs& s) {
    auto initial = s.initial;
    initial.backward[1].c = detach(initial.backward[1].c);
    return mean(square(lstm(s.x, {.initial = initial}).outputs));
  });
  BOOST_TEST_REQUIRE(wrong.findings().size() == 1U, wrong);
  BOOST_TEST(wrong.findings()[0].input == "initial.backward[1].c");
  BOOST_TEST((wrong.findings()[0].cause == GradcheckCause::missing));
  // A state on its own.
  const Tensor x = in.x.to(f64);
  const auto of_state = gradcheck(lstm, in.initial, [&](const nn::LSTM::State& s) {
    auto initial = s;
    initial.forward[0].h = detach(initial.forward[0].h);
    return lstm(x, {.initial = initial}).state;
  });
  BOOST_TEST_REQUIRE(of_state.findings().size() == 1U, of_state);
  BOOST_TEST(of_state.findings()[0].input == "state.forward[0].h");
  BOOST_TEST(of_state.findings()[0].results == 8);
}

// A model called as a function: its parameters are checked with the input.
BOOST_AUTO_TEST_CASE(a_model_as_a_function) {
  nn::Linear linear({.input = 3, .output = 2});
  linear.to(f64);
  const auto report = gradcheck(linear, {uniform({4, 3}, -1, 1)}, {.order = 2});
  BOOST_TEST(report.ok(), report);
  BOOST_TEST(report.text().find("of 3 inputs") != std::string::npos, report);
}

// Frozen parameters are constants, those that are not read have no gradient and need none.
BOOST_AUTO_TEST_CASE(frozen_and_unread_parameters) {
  const Data data;
  Classifier model({.vocab = 11, .classes = 3});
  model.to(f64);
  model.encoder.freeze();
  const auto report =
      gradcheck(model, [&] { return cross_entropy(model(data.ids, data.lengths), data.labels); });
  BOOST_TEST(report.ok(), report);
  BOOST_TEST(report.compared() == model.head.parameters().elements());
  model.encoder.unfreeze();
  const auto part = gradcheck(model, [&] { return model.encoder(data.ids, data.lengths); });
  BOOST_TEST(part.ok(), part);
}

BOOST_AUTO_TEST_CASE(parameters_are_restored) {
  nn::Linear linear({.input = 3, .output = 2});
  linear.to(f64);
  const Tensor x = uniform({4, 3}, -1, 1, f64);
  const auto before = values_of(linear);
  const auto loss = [&] { return mean(square(linear(x))); };
  {
    // A tape that has read them goes on: they are what they were.
    Tape tape;
    const Tensor y = loss();
    BOOST_TEST(gradcheck(linear, loss).ok());
    const auto gradients = tape.backward(y);
    BOOST_TEST(gradients.size() == 2);
  }
  BOOST_TEST((values_of(linear) == before));
  for (const int at : {1, 5, 20, 30}) {
    int calls = 0;
    const auto breaks = [&] {
      if (++calls == at) throw std::runtime_error("broken");
      return loss();
    };
    BOOST_CHECK_THROW(static_cast<void>(gradcheck(linear, breaks)), std::runtime_error);
    BOOST_TEST((values_of(linear) == before));
  }
  const auto steps = [&] {
    linear.W.assign(ones({3, 2}, f64));
    return loss();
  };
  check_throws([&] { return gradcheck(linear, steps); },
               "[gradcheck] the function changes W; needed a function that only reads parameters; "
               "hint: call step and assign outside of it");
  BOOST_TEST((values_of(linear) == before));
}

BOOST_AUTO_TEST_CASE(a_constant_model_and_dropout) {
  nn::LSTM lstm({.input = 2, .hidden = 3, .layers = 2, .dropout = 0.5});
  lstm.to(f64);
  const nn::LSTM& shared = lstm;
  const Tensor x = uniform({4, 2, 2}, -1, 1, f64);
  const auto loss = [&] { return mean(square(shared(x).outputs)); };
  const auto quiet = gradcheck(shared, loss);
  BOOST_TEST(quiet.ok(), quiet);
  const auto dropped = gradcheck(shared, loss, {.training = true});
  BOOST_TEST(dropped.ok(), dropped);
}

// A weight that was computed before keeps its gradient from everybody.
BOOST_AUTO_TEST_CASE(a_cached_weight) {
  nn::Linear linear({.input = 3, .output = 2});
  linear.to(f64);
  const Tensor x = uniform({4, 3}, -1, 1, f64);
  const Tensor cached = detach(linear.W * 1.0);
  const auto report = gradcheck(linear, [&] {
    return sum(square(matmul(x, cached))) + sum(linear.W - detach(linear.W)) + sum(*linear.b);
  });
  BOOST_TEST_REQUIRE(report.findings().size() == 1U, report);
  BOOST_TEST(report.findings()[0].input == "W");
  BOOST_TEST((report.findings()[0].cause == GradcheckCause::unrelated));
}

BOOST_AUTO_TEST_CASE(a_large_parameter) {
  nn::Linear linear({.input = 80, .output = 70});
  linear.to(f64);
  const Tensor x = uniform({3, 80}, -1, 1, f64);
  const auto report = gradcheck(linear, [&] { return tanh(linear(x)); });
  BOOST_TEST(report.ok(), report);
  BOOST_TEST(report.text().find("along random directions") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
