#include <unroll/autograd/graph/detail/loops.h>

namespace unroll::graph::detail {
namespace {

// Consecutive nodes of one time step of one layer and direction.
struct Run {
  Stretch nodes;
  Index step = -1;
  Index layer = -1;
  Direction direction = Direction::none;
  int order = 0;

  bool goes_on(const Node& node) const {
    return node.step == step && of_same_pass(node.layer, node.direction, node.order);
  }
  bool of_same_pass(Index in_layer, Direction d, int of_order) const {
    return in_layer == layer && d == direction && of_order == order;
  }
  // How the step changes to the next run of the same loop; 0 where that is of another.
  Index to(const Run& next) const {
    if (next.nodes.begin != nodes.end || !of_same_pass(next.layer, next.direction, next.order))
      return 0;
    const Index change = next.step - step;
    return change == 1 || change == -1 ? change : 0;
  }
};

std::vector<Run> runs_of(const Snapshot& snapshot) {
  std::vector<Run> runs;
  for (Index n = 0; n < std::ssize(snapshot.nodes); ++n) {
    const Node& node = snapshot.nodes[at(n)];
    if (node.step < 0) continue;
    if (runs.empty() || runs.back().nodes.end != n || !runs.back().goes_on(node))
      runs.push_back({.nodes = {n, n},
                      .step = node.step,
                      .layer = node.layer,
                      .direction = node.direction,
                      .order = node.order});
    runs.back().nodes.end = n + 1;
  }
  return runs;
}

bool alike(const Letters& letters, const Run& a, const Run& b) {
  const Index nodes = a.nodes.end - a.nodes.begin;
  return nodes == b.nodes.end - b.nodes.begin && letters.same(a.nodes.begin, b.nodes.begin, nodes);
}

}  // namespace

std::vector<Iterations> labelled_loops(const Letters& letters) {
  const std::vector<Run> runs = runs_of(letters.snapshot());
  std::vector<Iterations> loops;
  for (std::size_t r = 0; r < runs.size();) {
    const Index change = r + 1 < runs.size() ? runs[r].to(runs[r + 1]) : 0;
    std::size_t end = r + 1;
    while (change != 0 && end < runs.size() && runs[end - 1].to(runs[end]) == change) ++end;
    // A turn after two belongs to what follows where it is like that: a projection of all steps
    // before the last of them.
    if (end == r + 2 && end < runs.size() && runs[end - 1].to(runs[end]) == -change &&
        alike(letters, runs[end - 1], runs[end]) && !alike(letters, runs[r], runs[end - 1]))
      --end;
    Iterations& loop = loops.emplace_back(Iterations{.end = runs[end - 1].nodes.end});
    for (; r < end; ++r) loop.starts.push_back(runs[r].nodes.begin);
  }
  return loops;
}

}  // namespace unroll::graph::detail
