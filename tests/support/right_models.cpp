#include "support/made_cells.h"
#include "support/recurrent_layers.h"
#include "support/wrong_models.h"

namespace unroll::test {
namespace {

constexpr Index steps = 3, batch = 2, width = 2;

struct Run {
  std::string name;
  std::vector<Index> lengths = {};
  bool training = false;
};

// A recurrent layer, its outputs and final states.
template <class Layer>
ModelCase of_layer(const Run& run, typename Layer::Options options, std::uint64_t seed) {
  options.input = width;
  options.hidden = width;
  auto layer = std::make_shared<Layer>(std::move(options));
  layer->to(f64);
  randomize(*layer, seed);
  ModelCase c;
  c.kind = "recurrent";
  c.name = run.name;
  c.model = layer;
  c.loss = [layer, lengths = run.lengths, x = random_values({steps, batch, width}, seed + 1)] {
    return weighted_sum((*layer)(x, {.lengths = lengths}));
  };
  c.shows = Shows::nowhere;
  c.training = run.training;
  return c;
}

template <class M>
ModelCase of_module(std::string name, typename M::Options options, const Tensor& x,
                    std::uint64_t seed) {
  auto module = std::make_shared<M>(std::move(options));
  module->to(f64);
  randomize(*module, seed);
  ModelCase c;
  c.kind = "layer";
  c.name = std::move(name);
  c.model = module;
  c.loss = [module, x] {
    const Tensor y = (*module)(x);
    return sum(y * random_values(y.shape(), 23));
  };
  c.shows = Shows::nowhere;
  return c;
}

template <class Cell>
ModelCase of_made_cell(const BaseRule& b, std::uint64_t seed) {
  static std::vector<std::unique_ptr<MadeOperation>> operations;  // outlive every layer
  operations.push_back(std::make_unique<MadeOperation>(b.operation()));
  using Layer = nn::Recurrent<Cell>;
  ModelCase c = of_layer<Layer>({.name = "made " + b.name, .lengths = {2, 3}},
                                {.cell = {.operation = operations.back().get()}}, seed);
  return c;
}

void add_recurrent(ModelCases& all, std::uint64_t seed) {
  using nn::GRU;
  using nn::LSTM;
  using nn::RNN;
  all.push_back(of_layer<LSTM>({.name = "lstm"}, {}, seed));
  all.push_back(of_layer<LSTM>({.name = "lstm with lengths", .lengths = {1, 3}}, {}, seed));
  all.push_back(of_layer<LSTM>({.name = "lstm, a row without steps", .lengths = {0, 2}}, {}, seed));
  all.push_back(of_layer<LSTM>({.name = "lstm, both ways", .lengths = {2, 3}},
                               {.bidirectional = true}, seed));
  all.push_back(of_layer<LSTM>({.name = "lstm, two layers"}, {.layers = 2}, seed));
  all.push_back(of_layer<LSTM>({.name = "lstm, learned first state", .lengths = {0, 3}},
                               {.learn_initial = true}, seed));
  all.push_back(of_layer<LSTM>({.name = "lstm, projection"}, {.cell = {.projection = 1}}, seed));
  all.push_back(of_layer<LSTM>({.name = "lstm, dropout", .training = true},
                               {.layers = 2, .dropout = 0.5}, seed));
  all.push_back(of_layer<LSTM>({.name = "lstm, highway", .lengths = {3, 2}},
                               {.layers = 2, .skip = nn::Skip::highway}, seed));
  all.push_back(of_layer<LSTM>({.name = "lstm, no bias"}, {.biases = 0}, seed));
  all.push_back(of_layer<GRU>({.name = "gru"}, {}, seed));
  all.push_back(of_layer<GRU>({.name = "gru with lengths", .lengths = {3, 1}}, {}, seed));
  all.push_back(of_layer<GRU>({.name = "gru, two biases"}, {.biases = 2}, seed));
  all.push_back(of_layer<GRU>({.name = "gru, sum of both ways", .lengths = {2, 2}},
                              {.bidirectional = true, .join = nn::Join::sum}, seed));
  all.push_back(
      of_layer<GRU>({.name = "gru, residual"}, {.layers = 2, .skip = nn::Skip::residual}, seed));
  all.push_back(of_layer<GRU>({.name = "gru, dropout", .lengths = {3, 2}, .training = true},
                              {.layers = 2, .dropout = 0.3}, seed));
  all.push_back(of_layer<RNN>({.name = "rnn"}, {}, seed));
  all.push_back(of_layer<RNN>({.name = "rnn, relu", .lengths = {3, 1}},
                              {.cell = {.nonlinearity = nn::Nonlinearity::relu}}, seed));
  all.push_back(
      of_layer<RNN>({.name = "rnn, three layers", .lengths = {2, 3}}, {.layers = 3}, seed));
  all.push_back(of_layer<RNN>({.name = "rnn, learned first state"},
                              {.bidirectional = true, .learn_initial = true}, seed));
  all.push_back(of_made_cell<MadeElmanCell>(elman_step(), seed));
  all.push_back(of_made_cell<MadeLSTMCell>(lstm_cell_step(), seed));
}

void add_layers(ModelCases& all, std::uint64_t seed) {
  const Tensor x = random_values({4, 3}, seed + 2);
  const Tensor ids = tensor({{0, 2}, {2, 2}});
  all.push_back(of_module<nn::Linear>("linear", {.input = 3, .output = 2}, x, seed));
  all.push_back(
      of_module<nn::Linear>("linear, no bias", {.input = 3, .output = 2, .bias = false}, x, seed));
  all.push_back(
      of_module<nn::Linear>("linear of large inputs", {.input = 3, .output = 2}, x * 1e6, seed));
  all.push_back(
      of_module<nn::Linear>("linear of small inputs", {.input = 3, .output = 2}, x * 1e-6, seed));
  all.push_back(of_module<nn::Linear>("linear of no rows", {.input = 3, .output = 2},
                                      zeros({0, 3}, f64), seed));
  all.push_back(of_module<nn::LayerNorm>("layer norm", {.size = 3}, x, seed));
  all.push_back(of_module<nn::LayerNorm>("layer norm of equal numbers", {.size = 3},
                                         ones({4, 3}, f64), seed));
  all.push_back(of_module<nn::RMSNorm>("rms norm", {.size = 3}, x, seed));
  all.push_back(of_module<nn::Embedding>("embedding", {.count = 4, .size = 2}, ids, seed));
  all.push_back(of_module<nn::Embedding>("embedding, one row", {.count = 1, .size = 2},
                                         zeros({2, 2}, i64), seed));
  const Tensor sequence = random_values({4, 2, 2}, seed + 3);
  all.push_back(
      of_module<nn::Conv1d>("convolution", {.input = 2, .output = 2, .kernel = 2}, sequence, seed));
  all.push_back(of_module<nn::Conv1d>(
      "causal convolution",
      {.input = 2, .output = 1, .kernel = 2, .dilation = 2, .padding = nn::Padding::causal},
      sequence, seed));

  const auto with_loss = [&all, seed](std::string name, std::shared_ptr<nn::Sequential> net,
                                      std::function<Tensor(const nn::Sequential&)> loss) {
    net->to(f64);
    randomize(*net, seed);
    ModelCase c;
    c.kind = "network";
    c.name = std::move(name);
    c.loss = [net, loss] { return loss(*net); };
    c.model = std::move(net);
    c.shows = Shows::nowhere;
    all.push_back(std::move(c));
  };
  const auto two_layers = [] {
    auto net = std::make_shared<nn::Sequential>();
    net->add<nn::Linear>({.input = 3, .output = 2});
    net->add([](const Tensor& y) { return gelu(y); });
    net->add<nn::Linear>({.input = 2, .output = 3});
    return net;
  };
  with_loss("classifier", two_layers(), [x](const nn::Sequential& net) {
    return cross_entropy(net(x), tensor({0, 2, 1, 2}));
  });
  with_loss("regression", two_layers(),
            [x](const nn::Sequential& net) { return mse(net(x), x * 2.0); });
  with_loss("one model, two inputs", two_layers(),
            [x](const nn::Sequential& net) { return sum(net(x) * net(x * 0.5 + 1.0)); });
  with_loss("a layer that is not used", two_layers(), [x](const nn::Sequential& net) {
    return sum(square(net(x))) * 0.0 + mean(square(net(x)));
  });
}

}  // namespace

ModelCases right_models(std::uint64_t seed) {
  ModelCases all;
  add_recurrent(all, seed);
  add_layers(all, seed);
  return all;
}

}  // namespace unroll::test
