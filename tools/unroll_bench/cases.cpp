#include "cases.h"

#include <unroll/unroll.h>

#include <algorithm>
#include <iterator>
#include <memory>

using namespace unroll;

namespace {

constexpr auto lstm_formula = [](auto i, auto f, auto g, auto o, auto c0) {
  auto c1 = sigmoid(f) * c0 + sigmoid(i) * tanh(g);
  return std::tuple{sigmoid(o) * tanh(c1), c1};
};

// The same LSTM as a user writes it.
struct UserLSTM : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
  };
  using State = nn::LSTMState;
  explicit UserLSTM(Options o) : options(o) {}
  const Options options;
  nn::Parameter Wx{*this, "Wx", {options.input, 4 * options.hidden}, init::xavier()};
  nn::Parameter Wh{*this, "Wh", {options.hidden, 4 * options.hidden}, init::xavier()};
  nn::Parameter b{*this, "b", {4 * options.hidden}, init::zeros()};

  Tensor project(const Tensor& x) const { return affine(x, Wx, b); }
  State step(const Tensor& gates, const State& s) const {
    auto [i, f, g, o] = split<4>(affine(s.h, Wh, gates), -1);
    auto [h, c] = pointwise(lstm_formula, i, f, g, o, s.c);
    return {.h = h, .c = c};
  }
};

// A language model, or bare layers over dense input.
template <class Layer>
struct Net : nn::Module {
  explicit Net(const Sizes& s)
      : sizes(s), layer({.input = s.input, .hidden = s.hidden, .layers = s.layers}) {
    adopt(layer, "layer");
    if (s.vocab > 0) {
      embed = std::make_unique<nn::Child<nn::Embedding>>(
          *this, "embed", nn::Embedding::Options{.count = s.vocab, .size = s.input});
      head = std::make_unique<nn::Child<nn::Linear>>(
          *this, "head", nn::Linear::Options{.input = s.hidden, .output = s.vocab});
    }
  }
  Tensor operator()(const Tensor& x) const {
    Tensor h = layer(embed ? (*embed)(x) : x).outputs;
    return head ? (*head)(h) : h;
  }

  const Sizes sizes;
  Layer layer;
  std::unique_ptr<nn::Child<nn::Embedding>> embed;
  std::unique_ptr<nn::Child<nn::Linear>> head;
};

Tensor random_ids(const Sizes& s) {
  Rng rng(3);
  std::vector<Index> ids(static_cast<std::size_t>(s.steps * s.batch));
  for (Index& id : ids) id = rng.below(s.vocab);
  return from(std::span<const Index>(ids), {s.steps, s.batch});
}

template <class Layer>
std::function<void()> step_of(const Sizes& s, bool train) {
  auto net = std::make_shared<Net<Layer>>(s);
  const Tensor x = s.vocab > 0 ? random_ids(s) : uniform({s.steps, s.batch, s.input}, -1, 1);
  if (!train) return [net, x] { (*net)(x); };
  auto sgd = std::make_shared<optim::SGD>(net->parameters(), optim::SGD::Options{.lr = 0.01});
  return [net, x, sgd] {
    Tape tape;
    const Tensor y = (*net)(x);
    const Tensor loss = net->sizes.vocab > 0 ? cross_entropy(y, x) : mean(square(y));
    sgd->step(tape.backward(loss), {.clip_norm = 5});
  };
}

// The recurrent layers alone, for comparison with the bare loop: no embedding, head, clipping or
// update.
std::function<void()> layers_of(const Sizes& s, bool train) {
  auto lstm = std::make_shared<nn::LSTM>(
      nn::LSTM::Options{.input = s.input, .hidden = s.hidden, .layers = s.layers});
  const Tensor x = uniform({s.steps, s.batch, s.input}, -1, 1);
  if (!train) return [lstm, x] { (*lstm)(x); };
  const Tensor upstream = uniform({s.steps, s.batch, s.hidden}, -1, 1);
  return [lstm, x, upstream] {
    Tape tape;
    const Tensor y = (*lstm)(x).outputs;
    const Gradients grads = tape.backward(y, {.upstream = upstream});
    static_cast<void>(grads);
  };
}

constexpr Index chain_length = 10'000;

template <class Step>
std::function<void()> chain_of(const Step& step) {
  const Tensor start = full({1}, 0.3);
  return [start, step] {
    Tape tape;
    const Tensor x0 = tape.watch(start);
    Tensor x = x0;
    for (Index i = 0; i < chain_length; ++i) x = step(x, x0);
    const Tensor gradient = tape.gradient(x, x0);
    static_cast<void>(gradient);
  };
}

const std::vector<std::pair<std::string, Maker>>& registry() {
  static const auto all = [] {
    std::vector<std::pair<std::string, Maker>> made;
    const auto add = [&](std::string name, auto maker) {
      made.emplace_back(name, [name, maker](bool train) {
        return Case{.name = name, .unit = "ms", .call = maker(train)};
      });
    };
    for (const Sizes& s : all_sizes()) {
      const std::string name = s.name;
      add("lstm/" + name, [s](bool train) { return step_of<nn::LSTM>(s, train); });
      add("gru/" + name, [s](bool train) { return step_of<nn::GRU>(s, train); });
      add("rnn/" + name, [s](bool train) { return step_of<nn::RNN>(s, train); });
      add("user-lstm/" + name,
          [s](bool train) { return step_of<nn::Recurrent<UserLSTM>>(s, train); });
      add("layers/" + name, [s](bool train) { return layers_of(s, train); });
      add("bare/" + name, [s](bool train) { return bare_lstm(s, train); });
    }
    const auto add_chain = [&](const char* name, auto step) {
      made.emplace_back(name, [name, step](bool) {
        return Case{.name = name,
                    .unit = "ns",
                    .per_call = static_cast<double>(chain_length),
                    .call = chain_of(step)};
      });
    };
    add_chain("tape/overhead", [](const Tensor& x, const Tensor&) { return x * 1.0000001; });
    add_chain("tape/overhead-tanh", [](const Tensor& x, const Tensor&) { return tanh(x); });
    add_chain("tape/overhead-add", [](const Tensor& x, const Tensor& x0) { return x + x0; });
    std::ranges::move(single_cases(), std::back_inserter(made));
    std::ranges::move(recompute_cases(), std::back_inserter(made));
    std::ranges::move(graph_cases(), std::back_inserter(made));
    return made;
  }();
  return all;
}

}  // namespace

const std::vector<Sizes>& all_sizes() {
  static const std::vector<Sizes> sizes = {
      {"charlm-128", 1, 50, 32, 65, 128, 65},     {"charlm-256", 2, 64, 32, 256, 256, 65},
      {"ptb-small", 2, 20, 20, 200, 200, 10'000}, {"ptb-medium", 2, 35, 20, 650, 650, 10'000},
      {"lstm-512", 1, 100, 64, 512, 512, 0},      {"tiny-b1", 1, 100, 1, 32, 64, 0}};
  return sizes;
}

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto& [name, maker] : registry()) names.push_back(name);
  return names;
}

Case make_case(const std::string& name, bool train) {
  for (const auto& [known, maker] : registry())
    if (known == name) return maker(train);
  fail_nowhere("bench", {.given = "case \"" + name + "\"",
                         .needed = "one that --list shows",
                         .hint = "unroll-bench --list"});
}
