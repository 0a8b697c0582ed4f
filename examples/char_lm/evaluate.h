#pragma once

#include <unroll/unroll.h>

#include <filesystem>

#include "options.h"

// The graph of one window: text always, pictures where the program is linked with unroll::graph.
template <class Model>
void draw_graph(const Model& model, const unroll::nn::Text& text, const RunOptions& o,
                const std::filesystem::path& out) {
  auto window = text.windows({.batch = 2, .steps = o.window}).next();
  unroll::Tape tape;
  unroll::Tensor loss = unroll::cross_entropy(model(window->inputs, {}).logits, window->targets);
  tape.name(loss, "loss");
  static_cast<void>(tape.backward(loss));  // the graph then says which tensor the loss is
  const unroll::graph::Snapshot snapshot = tape.snapshot();
  const auto write = [&](const char* name) {
    unroll::graph::write((out / name).string(), snapshot, {.title = "A step of training"});
  };
  write("graph.dot");
  write("graph.json");
#ifdef UNROLL_GRAPHVIZ
  write("graph.svg");
  write("graph.html");
#endif
}
