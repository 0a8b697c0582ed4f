#pragma once

#include <unroll/unroll.h>

#include <algorithm>
#include <filesystem>

#include "options.h"

// Mean loss over a text that was not learnt, the state carried from window to window. No tape:
// nothing is recorded and no dropout acts.
template <class Model>
double validate(const Model& model, const unroll::nn::Text& text, const RunOptions& o) {
  const unroll::Index longest = (text.size() - 1) / 2;
  unroll::nn::Windows windows =
      text.windows({.batch = std::min(o.batch, std::max<unroll::Index>(1, longest / o.window)),
                    .steps = std::min(o.window, longest)});
  typename Model::State state;
  double sum = 0;
  while (auto window = windows.next()) {
    auto out = model(window->inputs, state);
    sum += unroll::cross_entropy(out.logits, window->targets).item();
    state = out.state;
  }
  return sum / static_cast<double>(windows.size());
}

// The graph of one window, three steps long so that a person can read it.
template <class Model>
void draw_graph(const Model& model, const unroll::nn::Text& text,
                const std::filesystem::path& out) {
  auto window = text.windows({.batch = 2, .steps = 3}).next();
  unroll::Tape tape;
  unroll::Tensor loss = unroll::cross_entropy(model(window->inputs, {}).logits, window->targets);
  tape.name(loss, "loss");
  const unroll::graph::Snapshot snapshot = tape.snapshot();
  unroll::graph::write((out / "graph.dot").string(), snapshot);
  unroll::graph::write((out / "graph.json").string(), snapshot);
}
