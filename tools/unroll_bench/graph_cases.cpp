// Recordings of a two-layer LSTM over a long sequence, as graphs.
#include <unroll/unroll.h>

#include <filesystem>
#include <memory>
#include <string>

#include "cases.h"

using namespace unroll;

namespace {

std::shared_ptr<const graph::Snapshot> recorded(Index nodes) {
  const nn::LSTM lstm({.input = 2, .hidden = 2, .layers = 2});
  const Index steps = nodes / 8;  // four operations in each layer
  Tape tape;
  const Tensor loss = sum(lstm(uniform({steps, 1, 2}, -1, 1)).outputs);
  tape.name(loss, "loss");
  return std::make_shared<graph::Snapshot>(tape.snapshot());
}

// The same without time steps, as a loop that does not tell them.
std::shared_ptr<const graph::Snapshot> without_steps(Index nodes) {
  graph::Snapshot s = *recorded(nodes);
  for (graph::Node& node : s.nodes) node.step = -1;
  return std::make_shared<graph::Snapshot>(std::move(s));
}

void write_and_remove(const graph::Snapshot& snapshot, const graph::DrawOptions& options) {
  const auto path = std::filesystem::temp_directory_path() / "unroll_bench_graph.dot";
  graph::write(path.string(), snapshot, options);
  std::filesystem::remove(path);
}

}  // namespace

std::vector<std::pair<std::string, Maker>> graph_cases() {
  std::vector<std::pair<std::string, Maker>> made;
  const auto add = [&](const std::string& name, auto make, auto use) {
    made.emplace_back(name, [=](bool) {
      return Case{
          .name = name, .unit = "ms", .resident = true, .call = [=, s = make()] { use(*s); }};
    });
  };
  const auto million = [] { return recorded(1'000'000); };
  const auto fold = [](const graph::Snapshot& s) { static_cast<void>(graph::fold(s)); };
  add("graph/fold-1M", million, fold);
  add(
      "graph/fold-1M-bare", [] { return without_steps(1'000'000); }, fold);
  add("graph/write-1M", million, [](const graph::Snapshot& s) { write_and_remove(s, {}); });
  add(
      "graph/dot-100k", [] { return recorded(100'000); },
      [](const graph::Snapshot& s) {
        static_cast<void>(graph::to_dot(s, {.fold_time = false, .budget = 0}));
      });
  return made;
}
