#include "support/made_snapshot.h"

#include <array>

namespace unroll::test {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

Index below(std::mt19937_64& random, Index end) {
  return std::uniform_int_distribution<Index>(0, end - 1)(random);
}

Shape random_shape(std::mt19937_64& random) {
  constexpr std::array<Index, 3> extents = {1, 2, 3};
  Shape shape;
  for (Index axes = below(random, 3); axes > 0; --axes)
    shape = shape.inserted(0, extents[at(below(random, 3))]);
  return shape;
}

}  // namespace

Index MadeSnapshot::leaf(const std::string& name, const Shape& shape, bool parameter) {
  snapshot.values.push_back({.shape = shape, .dtype = f64, .name = name, .parameter = parameter});
  return static_cast<Index>(snapshot.values.size()) - 1;
}

Index MadeSnapshot::node(const graph::Node& node, const std::vector<Shape>& shapes) {
  const auto first = static_cast<Index>(snapshot.values.size());
  snapshot.nodes.push_back(node);
  for (const Shape& shape : shapes) {
    snapshot.nodes.back().outputs.push_back(static_cast<Index>(snapshot.values.size()));
    snapshot.values.push_back(
        {.shape = shape, .dtype = f64, .node = static_cast<Index>(snapshot.nodes.size()) - 1});
  }
  return first;
}

graph::Snapshot random_snapshot(std::mt19937_64& random, Index nodes) {
  constexpr std::array operations = {"add", "mul", "tanh", "affine"};
  constexpr std::array paths = {"", "a", "a.b", "c"};
  MadeSnapshot made;
  for (Index n = 0; n < nodes; ++n) {
    if (below(random, 4) == 0 || made.snapshot.values.empty()) {
      const bool parameter = below(random, 2) == 0;
      const auto number = std::to_string(made.snapshot.values.size());
      made.leaf(parameter               ? "W" + number
                : below(random, 2) == 0 ? "x" + number
                                        : "",
                random_shape(random), parameter);
    }
    graph::Node node{.operation = operations[at(below(random, 4))],
                     .path = paths[at(below(random, 4))],
                     .step = below(random, 4) - 1,
                     .layer = below(random, 3) - 1,
                     .direction = static_cast<graph::Direction>(below(random, 3)),
                     .order = static_cast<int>(below(random, 2)),
                     .view = below(random, 4) == 0};
    for (Index k = below(random, 3) + 1; k > 0; --k)
      node.inputs.push_back(below(random, 10) == 0
                                ? -1
                                : below(random, static_cast<Index>(made.snapshot.values.size())));
    std::vector<Shape> shapes = {random_shape(random)};
    if (below(random, 4) == 0) shapes.push_back(random_shape(random));
    made.node(node, shapes);
  }
  made.snapshot.loss = made.snapshot.nodes.back().outputs.back();
  return made.snapshot;
}

graph::Snapshot reordered(const graph::Snapshot& from, std::mt19937_64& random) {
  graph::Snapshot to;
  std::vector<Index> numbers(from.values.size(), -1);
  for (std::size_t v = 0; v < from.values.size(); ++v)
    if (from.values[v].node < 0) {
      numbers[v] = static_cast<Index>(to.values.size());
      to.values.push_back(from.values[v]);
    }
  std::vector<Index> left(from.nodes.size());
  for (std::size_t n = 0; n < left.size(); ++n) left[n] = static_cast<Index>(n);
  while (!left.empty()) {
    const Index chosen = below(random, static_cast<Index>(left.size()));
    graph::Node node = from.nodes[at(left[at(chosen)])];
    bool ready = true;
    for (Index& v : node.inputs) {
      if (v < 0) continue;
      v = numbers[at(v)];
      ready = ready && v >= 0;
    }
    if (!ready) continue;
    for (Index& v : node.outputs) {
      numbers[at(v)] = static_cast<Index>(to.values.size());
      to.values.push_back(from.values[at(v)]);
      to.values.back().node = static_cast<Index>(to.nodes.size());
      v = numbers[at(v)];
    }
    to.nodes.push_back(node);
    left.erase(left.begin() + chosen);
  }
  if (from.loss >= 0) to.loss = numbers[at(from.loss)];
  return to;
}

}  // namespace unroll::test
