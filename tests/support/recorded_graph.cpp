#include "support/recorded_graph.h"

#include <sstream>

namespace unroll::test {
namespace {

template <class T>
void say(std::string& text, const char* what, const T& a, const T& b) {
  if (a == b || !text.empty()) return;
  std::ostringstream out;
  out << what << ": " << a << " or " << b;
  text = out.str();
}

std::string text_of(const std::vector<Index>& numbers) {
  std::string text;
  for (const Index n : numbers) text += std::to_string(n) + " ";
  return text;
}

}  // namespace

std::string difference_of(const graph::Snapshot& a, const graph::Snapshot& b) {
  std::string text;
  say(text, "nodes", a.nodes.size(), b.nodes.size());
  say(text, "values", a.values.size(), b.values.size());
  say(text, "loss", a.loss, b.loss);
  for (std::size_t n = 0; n < a.nodes.size() && text.empty(); ++n) {
    const graph::Node& x = a.nodes[n];
    const graph::Node& y = b.nodes[n];
    say(text, "operation", x.operation, y.operation);
    say(text, "path", x.path, y.path);
    say(text, "step", x.step, y.step);
    say(text, "layer", x.layer, y.layer);
    say(text, "direction", static_cast<int>(x.direction), static_cast<int>(y.direction));
    say(text, "order", x.order, y.order);
    say(text, "view", x.view, y.view);
    say(text, "inputs", text_of(x.inputs), text_of(y.inputs));
    say(text, "outputs", text_of(x.outputs), text_of(y.outputs));
    if (!text.empty()) return "node " + std::to_string(n) + ", " + text;
  }
  for (std::size_t v = 0; v < a.values.size() && text.empty(); ++v) {
    const graph::Value& x = a.values[v];
    const graph::Value& y = b.values[v];
    say(text, "shape", x.shape, y.shape);
    say(text, "dtype", name_of(x.dtype), name_of(y.dtype));
    say(text, "node", x.node, y.node);
    say(text, "name", x.name, y.name);
    say(text, "parameter", x.parameter, y.parameter);
    say(text, "state", x.state, y.state);
    if (!text.empty()) return "value " + std::to_string(v) + ", " + text;
  }
  return text;
}

Index GraphBuilder::leaf(const Shape& shape, const std::string& name) {
  snapshot.values.push_back({.shape = shape, .name = name, .parameter = !name.empty()});
  return std::ssize(snapshot.values) - 1;
}

Index GraphBuilder::node(const std::string& operation, const std::vector<Index>& inputs,
                         Index outputs, const Shape& shape) {
  graph::Node made;
  made.operation = operation;
  made.path = place.path;
  made.step = place.step;
  made.layer = place.layer;
  made.direction = place.direction;
  made.order = place.order;
  made.inputs = inputs;
  for (Index k = 0; k < outputs; ++k) {
    made.outputs.push_back(std::ssize(snapshot.values));
    snapshot.values.push_back({.shape = shape, .node = std::ssize(snapshot.nodes)});
  }
  snapshot.nodes.push_back(std::move(made));
  return snapshot.nodes.back().outputs.front();
}

}  // namespace unroll::test
