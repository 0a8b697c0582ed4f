#include "support/random_cells.h"

#include <array>

namespace unroll::test {
namespace {

using Step = RandomCell::Step;
constexpr Index hidden = 4;
constexpr Index batch = 3;

constexpr auto gate = [](auto x, auto y) {
  auto z = sigmoid(x);
  return z * y + (1.0 - z) * tanh(x);
};

Tensor random_input(const Shape& shape, Rng& rng) { return uniform(shape, -1, 1, rng); }

RandomCell::State start() {
  return {
      .h = zeros({batch, hidden}), .c = zeros({batch, hidden}), .before = zeros({batch, hidden})};
}

// Weighs all states so far by a softmax, as attention does.
Tensor attended(const std::vector<Tensor>& states, const Tensor& query) {
  const Tensor all = stack(states, 0);
  const Tensor scores = sum(all * query, -1, {.keepdim = true});
  return sum(softmax(scores, 0) * all, 0);
}

struct Ways {
  bool labelled = true;
  bool attention = false;
};

Tensor run_loop(const RandomCell& cell, const Tensor& x, Ways ways) {
  const Tensor projected = cell.project(x);
  RandomCell::State s = start();
  std::vector<Tensor> states;
  Tensor total;
  const auto body = [&](Index t) {
    s = cell.step(select(projected, 0, t), s);
    if (ways.attention) {
      states.push_back(s.h);
      s.c = s.c + attended(states, s.h);
    }
    const Tensor term = sum(s.h * s.c);
    total = total.defined() ? total + term : term;
  };
  for (Index t = 0; t < x.size(0); ++t)
    if (ways.labelled) {
      const nn::TimeStep here(t);
      body(t);
    } else {
      body(t);
    }
  return total;
}

Tensor run_layers(std::uint64_t seed, Rng& rng, Index steps, bool lengths) {
  const bool both = rng.below(2) == 1;
  nn::Recurrent<RandomCell> layer({.input = hidden,
                                   .hidden = hidden,
                                   .layers = 1 + rng.below(3),
                                   .bidirectional = both,
                                   .learn_initial = rng.below(2) == 1,
                                   .cell = {.seed = seed, .branches = rng.below(4) == 0}});
  std::vector<Index> ends;
  for (Index b = 0; lengths && b < batch; ++b) ends.push_back(rng.below(steps + 1));
  const auto out = layer(random_input({steps, batch, hidden}, rng), {.lengths = ends});
  return sum(square(out.outputs)) + sum(out.state.forward.front().h);
}

Tensor run_program(Program program, std::uint64_t seed, Rng& rng) {
  const Index steps = 1 + rng.below(40);
  if (program == Program::layers || program == Program::with_lengths)
    return run_layers(seed, rng, steps, program == Program::with_lengths);
  const bool labelled = program != Program::bare_loop && program != Program::bare_attention &&
                        program != Program::bare_branches;
  const bool branches = program == Program::branches || program == Program::bare_branches;
  const RandomCell cell({.input = hidden, .hidden = hidden, .seed = seed, .branches = branches});
  return run_loop(
      cell, random_input({steps, batch, hidden}, rng),
      {.labelled = labelled,

       .attention = program == Program::attention || program == Program::bare_attention});
}

}  // namespace

RandomCell::RandomCell(Options o) : options(o) {
  Rng rng(options.seed);
  std::size_t values = 4;
  const Index count = 2 + rng.below(10);
  for (Index k = 0; k < count; ++k, ++values)
    instructions_.push_back(
        {.kind = static_cast<Step>(rng.below(9)),
         .a = static_cast<std::size_t>(rng.below(std::ssize(instructions_) + 4)),
         .b = values - 1});
}

RandomCell::State RandomCell::step(const Tensor& x, const State& s) const {
  std::vector<Tensor> v{x, s.h, s.c, s.before};
  for (const Instruction& i : instructions_) {
    const Tensor& p = v[i.a];
    const Tensor& q = v[i.b];
    switch (i.kind) {
      case Step::tanh:
        v.push_back(tanh(q));
        break;
      case Step::sigmoid:
        v.push_back(sigmoid(q));
        break;
      case Step::add:
        v.push_back(p + q);
        break;
      case Step::mul:
        v.push_back(p * q);
        break;
      case Step::affine:
        v.push_back(affine(q, i.a % 2 == 0 ? Wh : Wc, b));
        break;
      case Step::concat_halves: {
        const auto [left, right] = split<2>(q, -1);
        v.push_back(concat({right, left}, -1) + p);
        break;
      }
      case Step::softmax:
        v.push_back(softmax(q));
        break;
      case Step::gate:
        v.push_back(pointwise(gate, p, q));
        break;
      case Step::scale:
        v.push_back(q * 0.5);
        break;
    }
  }
  if (options.branches && sum(v.back()).item() > 0) v.push_back(tanh(matmul(v.back(), Wc)));
  return {.h = tanh(v.back() + x), .c = v[v.size() - 2], .before = s.h};
}

graph::Snapshot record_program(Program program, std::uint64_t seed) {
  Rng rng(seed);
  if (program != Program::gradients) {
    Tape tape;
    const Tensor loss = run_program(program, seed, rng);
    if (seed % 2 == 0) tape.name(loss, "loss");
    if (seed % 3 == 0) static_cast<void>(tape.backward(loss));
    return tape.snapshot();
  }
  const RandomCell cell({.input = hidden, .hidden = hidden, .seed = seed});
  const Index steps = 1 + rng.below(20);
  Tape tape;
  const Tensor x = tape.watch(random_input({steps, batch, hidden}, rng));
  const Tensor y = seed % 2 == 0
                       ? run_loop(cell, x, {.labelled = seed % 4 == 0, .attention = seed % 5 == 0})
                       : sum(square(nn::Recurrent<RandomCell>({.input = hidden,
                                                               .hidden = hidden,
                                                               .layers = 1 + rng.below(2),
                                                               .bidirectional = seed % 4 == 1,
                                                               .cell = {.seed = seed}})(x)
                                        .outputs));
  const Tensor first = tape.gradient(y, x, {.differentiable = true, .unreached = Unreached::zero});
  const Tensor z = sum(square(first)) + y;
  const Tensor second =
      tape.gradient(z, x, {.differentiable = seed % 3 == 0, .unreached = Unreached::zero});
  return tape.snapshot();
}

std::string text_of(Program program) {
  constexpr std::array names{"layers",        "with lengths",   "bare loop",
                             "labelled loop", "branches",       "bare branches",
                             "attention",     "bare attention", "gradients"};
  return names[static_cast<std::size_t>(program)];
}

}  // namespace unroll::test
