#include "support/drawn_graphs.h"

#include <unroll/unroll.h>

#include <utility>

#include "support/leaves.h"

namespace unroll::test {
namespace {

using graph::DrawOptions;
using graph::Snapshot;

struct Classifier : nn::Module {
  nn::Child<nn::LSTM> lstm;
  nn::Child<nn::Linear> head;

  explicit Classifier(const RecordedLayer& o)
      : lstm(*this, "lstm",
             nn::LSTM::Options{
                 .input = 8, .hidden = 16, .layers = o.layers, .bidirectional = o.bidirectional}),
        head(*this, "head", nn::Linear::Options{.input = o.bidirectional ? 32 : 16, .output = 5}) {}
};

// A cell of one's own: an Elman cell with an order of its own, and a product of inputs and state.
struct ProductCell : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
  };
  struct State {
    Tensor h, trace;
  };
  explicit ProductCell(Options o) : options(o) {}
  const Options options;
  nn::Parameter W{*this, "W", {options.input, options.hidden}, init::xavier()};
  nn::Parameter U{*this, "U", {options.hidden, options.hidden}, init::orthogonal()};

  State step(const Tensor& x, const State& s) const {
    const Tensor h = tanh(matmul(x, W) * matmul(s.h, U) + s.trace);
    return {.h = h, .trace = 0.9 * s.trace + 0.1 * h};
  }
};

struct OwnCell : nn::Module {
  nn::Child<nn::Recurrent<ProductCell>> rnn{*this, "rnn", {.input = 3, .hidden = 4}};
};

Tensor targets(Index rows) {
  const std::vector<Index> ids(static_cast<std::size_t>(rows), 2);
  return from(std::span<const Index>(ids), {rows});
}

Snapshot record_expression() {
  const Tensor W = make_parameter(ones({3, 4}), "W"), b = make_parameter(ones({4}), "b");
  Tape tape;
  const Tensor x = tape.watch(ones({2, 3}));
  tape.name(x, "x");
  const Tensor loss = mean(square(tanh(affine(x, W, b)) - ones({2, 4})));
  tape.name(loss, "loss");
  static_cast<void>(tape.backward(loss));
  return tape.snapshot();
}

template <class Layer>
Snapshot record_layer(const Layer& layer, Index steps) {
  Tape tape;
  const Tensor x = tape.watch(ones({steps, 4, layer.options.input}));
  tape.name(x, "x");
  const Tensor loss = sum(layer(x).outputs);
  static_cast<void>(tape.backward(loss));
  return tape.snapshot();
}

Snapshot record_own_cell() {
  const OwnCell model;
  Tape tape;
  const Tensor x = tape.watch(ones({30, 2, 3}));
  const Tensor loss = sum(model.rnn(x).state.forward.back().h);
  static_cast<void>(tape.backward(loss));
  return tape.snapshot();
}

// A decoder's bare loop that attends to all outputs of an encoder.
Snapshot record_attention() {
  struct Model : nn::Module {
    nn::Child<nn::GRU> encoder{*this, "encoder", {.input = 6, .hidden = 8}};
    nn::Child<nn::GRUCell> decoder{*this, "decoder", {.input = 8, .hidden = 8}};
    nn::Child<nn::Linear> head{*this, "head", {.input = 16, .output = 5}};
  };
  const Model model;
  Tape tape;
  const Tensor source = tape.watch(ones({12, 3, 6}));
  tape.name(source, "source");
  const auto encoded = model.encoder(source);
  const Tensor keys = permute(encoded.outputs, {1, 0, 2});
  tape.name(keys, "keys");
  nn::GRUCell::State s{.h = encoded.state.forward[0].h};
  Tensor x = tape.watch(ones({3, 8})), loss;
  tape.name(x, "start");
  for (Index t = 0; t < 20; ++t) {
    const nn::TimeStep here(t);
    s = model.decoder(x, s);
    const Tensor weights = softmax(reshape(matmul(keys, unsqueeze(s.h, 2)), {3, 12}), 1);
    x = reshape(matmul(unsqueeze(weights, 1), keys), {3, 8});
    const Tensor now = cross_entropy(model.head(concat({s.h, x}, 1)), targets(3));
    loss = t == 0 ? now : loss + now;
  }
  static_cast<void>(tape.backward(loss));
  return tape.snapshot();
}

Snapshot record_second_order() {
  Tape tape;
  const Tensor x = tape.watch(ones({3}));
  tape.name(x, "x");
  const Tensor y = sum(tanh(x) * x);
  tape.name(y, "y");
  const Tensor dy = tape.gradient(y, x, {.differentiable = true});
  tape.name(dy, "dy");
  static_cast<void>(tape.gradient(sum(dy), x));
  return tape.snapshot();
}

Snapshot record_longer_expression() {
  const Tensor W = make_parameter(ones({3, 4}), "W"), b = make_parameter(ones({4}), "b");
  Tape tape;
  const Tensor x = tape.watch(ones({2, 3}));
  tape.name(x, "x");
  const Tensor loss = mean(square(sigmoid(affine(x, W, b)) * 2.0 - ones({2, 4})));
  tape.name(loss, "loss");
  static_cast<void>(tape.backward(loss));
  return tape.snapshot();
}

// A value that is NaN where it is made, one that lets no gradient through, and a parameter that the
// loss does not depend on.
Snapshot record_trouble() {
  const Tensor W = make_parameter(ones({3, 4}), "W"), b = make_parameter(ones({4}), "b"),
               unused = make_parameter(ones({3}), "unused");
  Tape tape;
  const Tensor x = tape.watch(ones({2, 3}));
  tape.name(x, "x");
  static_cast<void>(square(unused));
  const Tensor loss = sum(relu(x) * 0.5) + mean(square(log(affine(x, W, b))));
  tape.name(loss, "loss");
  static_cast<void>(tape.backward(loss));
  Snapshot s = tape.snapshot();
  for (const graph::Node& n : s.nodes) {
    graph::Value& made = s.values[static_cast<std::size_t>(n.outputs[0])];
    made.statistics = graph::Statistics{.mean = 0.5, .least = -1, .most = 2};
    if (n.operation == "relu") made.gradient_norm = 0;
    if (n.operation == "log" || n.operation == "mean") made.statistics->nan = 1;
    if (n.operation == "square" && n.inputs[0] > 4) made.statistics->nan = 1;
  }
  s.values.back().statistics->nan = 1;
  return s;
}

}  // namespace

Snapshot record_classifier(const RecordedLayer& o) {
  const Classifier model(o);
  Tape tape;
  const Tensor x = tape.watch(ones({o.steps, o.batch, 8}));
  tape.name(x, "x");
  const Tensor logits = model.head(model.lstm(x).outputs);
  const Tensor loss =
      cross_entropy(reshape(logits, {o.steps * o.batch, 5}), targets(o.steps * o.batch));
  tape.name(loss, "loss");
  static_cast<void>(tape.backward(loss));
  return tape.snapshot();
}

Snapshot record_branches(Index steps) {
  const Tensor W = make_parameter(full({4, 4}, 0.1), "W");
  Tape tape;
  Tensor h = tape.watch(ones({2, 4}));
  tape.name(h, "h0");
  for (Index t = 0; t < steps; ++t) {
    const nn::TimeStep here(t);
    Tensor y = matmul(h, W);
    if (t % 7 == 3) y = square(y);
    h = tanh(y + h);
  }
  const Tensor loss = sum(h);
  static_cast<void>(tape.backward(loss));
  return tape.snapshot();
}

Snapshot with_measurements(Snapshot s) {
  for (std::size_t v = 0; v < s.values.size(); ++v)
    s.values[v].gradient_norm = 1e-4 * static_cast<double>(1 + v * v);
  for (std::size_t n = 0; n < s.nodes.size(); ++n)
    s.nodes[n].seconds = 1e-6 * static_cast<double>(1 + n % 7);
  return s;
}

std::vector<DrawnGraph> drawn_graphs() {
  std::vector<DrawnGraph> graphs;
  const auto add = [&](const char* name, const auto& recorded, const DrawOptions& options = {}) {
    graphs.push_back(
        {.name = name, .picture = graph::picture(recorded, options), .options = options});
  };
  const Snapshot one = record_classifier({});
  add("expression", record_expression());
  add("expression_dark", record_expression(),
      {.theme = graph::Theme::dark, .title = "One <layer> & its \"loss\""});
  add("expression_backward", record_expression(), {.backward = true});
  add("rnn_cell", record_layer(nn::RNN({.input = 8, .hidden = 16}), 20));
  add("gru_cell", record_layer(nn::GRU({.input = 8, .hidden = 16}), 20), {.fold_time = true});
  add("lstm_cell", record_layer(nn::LSTM({.input = 8, .hidden = 16}), 20), {.fold_time = true});
  add("bidirectional_lstm",
      record_classifier({.layers = 2, .bidirectional = true, .steps = 200, .batch = 8}));
  add("bidirectional_lstm_in_blocks",
      record_classifier({.layers = 2, .bidirectional = true, .steps = 200, .batch = 32}));
  add("own_cell", record_own_cell());
  add("attention", record_attention());
  add("branches", record_branches(40));
  add("second_order", record_second_order());
  add("trouble", record_trouble());
  add("window", one, {.window = 2});
  add("collapsed", record_classifier({.layers = 2, .bidirectional = true}), {.depth = 1});
  add("focus", one,
      {.fold_time = true,
       .focus = {.name = "head", .descendants = false, .distance = 2},
       .legend = false});
  add("thinned", record_classifier({.steps = 10}), {.fold_time = false, .depth = 9, .budget = 20});
  add("gradients", with_measurements(one), {.gradients = true});
  add("memory", one, {.memory = true, .theme = graph::Theme::dark});
  add("time", with_measurements(one), {.time = true});
  add("lstm_backward", one, {.backward = true});
  add("difference", graph::diff(record_expression(), record_longer_expression()));
  add("difference_of_loops", graph::diff(record_branches(40), record_branches(30)),
      {.fold_time = true});
  return graphs;
}

}  // namespace unroll::test
