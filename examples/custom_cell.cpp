// A cell of one's own, an LSTM whose gates see the memory through peepholes (Gers et al. 2002),
// trained on the adding problem of Hochreiter and Schmidhuber 1997: from a sequence of pairs
// (number, mark) with two marks, tell the sum of the two marked numbers. Answering 1 always costs
// 0.167; expected: below 0.01.
#include <unroll/unroll.h>

#include <cmath>
#include <cstdio>

#include <CLI/CLI.hpp>

using namespace unroll;

// [cell]
constexpr auto peephole_lstm = [](auto i, auto f, auto g, auto o, auto c0, auto pi, auto pf) {
  auto c1 = sigmoid(f + pf * c0) * c0 + sigmoid(i + pi * c0) * tanh(g);
  return std::tuple{sigmoid(o) * tanh(c1), c1};
};

struct PeepholeCell : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
  };
  using State = nn::LSTMState;  // { h, c }
  explicit PeepholeCell(Options o) : options(o) {}
  const Options options;
  const Index n = options.hidden;
  nn::Parameter Wx{*this, "Wx", {options.input, 4 * n}, init::xavier({.blocks = 4})};
  nn::Parameter Wh{*this, "Wh", {n, 4 * n}, init::orthogonal({.blocks = 4})};
  nn::Parameter b{*this, "b", {4 * n}, init::forget_bias({.at = n, .size = n})};
  nn::Parameter pi{*this, "pi", {n}, init::zeros()};
  nn::Parameter pf{*this, "pf", {n}, init::zeros()};

  Tensor project(const Tensor& x) const { return affine(x, Wx, b); }  // once per sequence
  State step(const Tensor& gates, const State& s) const {             // once per time step
    auto [i, f, g, o] = split<4>(affine(s.h, Wh, gates), -1);
    auto [h, c] = pointwise(peephole_lstm, i, f, g, o, s.c, pi, pf);
    return {.h = h, .c = c};
  }
};
static_assert(nn::Cell<PeepholeCell>);
// [/cell]

struct Adder : nn::Module {
  nn::Child<nn::Recurrent<PeepholeCell>> layer{*this, "layer", {.input = 2, .hidden = 32}};
  nn::Child<nn::Linear> head{*this, "head", {.input = 32, .output = 1}};

  Tensor operator()(const Tensor& x) const { return head(layer(x).state.forward.back().h); }
};

struct Problem {
  Tensor x;       // [T, B, 2]
  Tensor answer;  // [B, 1]
};

Problem draw(Index steps, Index batch, Rng& rng) {
  std::vector<float> x(static_cast<std::size_t>(steps * batch * 2)), answer;
  for (Index b = 0; b < batch; ++b) {
    const Index first = rng.below(steps / 2);
    const Index second = steps / 2 + rng.below(steps - steps / 2);
    float sum = 0;
    for (Index t = 0; t < steps; ++t) {
      float* pair = &x[static_cast<std::size_t>((t * batch + b) * 2)];
      pair[0] = static_cast<float>(rng.uniform());
      pair[1] = t == first || t == second ? 1.0F : 0.0F;
      sum += pair[0] * pair[1];
    }
    answer.push_back(sum);
  }
  return {.x = from(std::span<const float>(x), {steps, batch, 2}),
          .answer = from(std::span<const float>(answer), {batch, 1})};
}

int main(int argc, char** argv) {
  Index steps = 30, most = 4000;
  bool quick = false;
  CLI::App app("Trains a cell of one's own on the adding problem until its loss is under 0.01");
  app.add_option("--length", steps, "time steps of a sequence")
      ->check(CLI::Range(4, 1000))
      ->capture_default_str();
  app.add_option("--most", most, "give up after so many training steps")->capture_default_str();
  app.add_flag("--quick", quick, "short sequences, for tests");
  CLI11_PARSE(app, argc, argv);
  if (quick) steps = 10;

  seed(1);
  Rng rng(2);
  Adder model;
  optim::Adam adam(model.parameters(), {.lr = 5e-3});
  double average = 1;
  for (Index step = 1; step <= most; ++step) {
    const Problem p = draw(steps, 64, rng);
    Tape tape;
    Tensor loss = mean(square(model(p.x) - p.answer));
    adam.step(tape.backward(loss), {.clip_norm = 1});
    average = 0.95 * average + 0.05 * loss.item();
    if (step % 100 == 0)
      std::printf("step %5lld  loss %.4f\n", static_cast<long long>(step), average);
    if (average < 0.01) {
      std::printf("loss %.4f after %lld steps\n", average, static_cast<long long>(step));
      return 0;
    }
  }
  std::printf("loss %.4f after %lld steps: not below 0.01\n", average,
              static_cast<long long>(most));
  return 1;
}
