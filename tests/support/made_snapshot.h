#pragma once

#include <unroll/autograd/graph.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace unroll::test {

// Recordings made by hand.
class MadeSnapshot {
 public:
  Index leaf(const std::string& name, const Shape& shape, bool parameter = false);
  // Appends `node`, whose outputs get these shapes; returns the first of them.
  Index node(const graph::Node& node, const std::vector<Shape>& shapes);
  graph::Snapshot snapshot = {};
};

// Operations of several modules, time steps, directions and orders over named and unnamed leaves,
// constants among the operands, some with two results, the loss somewhere.
graph::Snapshot random_snapshot(std::mt19937_64& random, Index nodes);

// The nodes in another order that computes the same; leaves stay in theirs.
graph::Snapshot reordered(const graph::Snapshot& snapshot, std::mt19937_64& random);

}  // namespace unroll::test
