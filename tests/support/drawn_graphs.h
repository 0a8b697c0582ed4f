#pragma once

#include <unroll/autograd/graph.h>

#include <string>
#include <vector>

// Pictures of recordings of all kinds, each drawn in another way.
namespace unroll::test {

struct DrawnGraph {
  std::string name;
  graph::Picture picture;
  graph::DrawOptions options;
};
std::vector<DrawnGraph> drawn_graphs();

struct RecordedLayer {
  Index layers = 1;
  bool bidirectional = false;
  Index steps = 200;
  Index batch = 4;
};
// An LSTM under a linear layer, with a loss.
graph::Snapshot record_classifier(const RecordedLayer& layer);

// A bare loop without modules; every seventh step squares its state.
graph::Snapshot record_branches(Index steps);

// The snapshot with norms, seconds and statistics that are functions of the numbers of its values.
graph::Snapshot with_measurements(graph::Snapshot snapshot);

}  // namespace unroll::test
