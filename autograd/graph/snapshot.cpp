#include <unroll/autograd/detail/graph_problem.h>
#include <unroll/autograd/detail/measurements.h>
#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/graph/snapshot.h>
#include <unroll/autograd/operation.h>
#include <unroll/autograd/tape.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace unroll {
namespace {

using detail::no_value;
using detail::Recording;

// Runs of recurrent layers by path, those of modules inside of cells among them.
std::vector<detail::GraphNotes::Run> runs_by_path(const Recording& r) {
  std::unordered_map<std::string_view, detail::GraphNotes::Run> noted;
  for (std::size_t i = 0; i < r.notes.runs.size(); ++i)
    if (r.notes.runs[i].layer >= 0) noted[r.paths[i]] = r.notes.runs[i];
  std::vector<detail::GraphNotes::Run> runs(r.paths.size());
  if (noted.empty()) return runs;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    std::string_view path = r.paths[i];
    for (;;) {
      if (const auto found = noted.find(path); found != noted.end()) {
        runs[i] = found->second;
        break;
      }
      const std::size_t dot = path.rfind('.');
      if (dot == std::string_view::npos) break;
      path = path.substr(0, dot);
    }
  }
  return runs;
}

void copy_values(const Recording& r, graph::Snapshot& s) {
  s.values.reserve(r.values.size());
  for (std::uint32_t v = 0; v < r.values.size(); ++v) {
    const detail::Value& from = r.values[v];
    graph::Value& to = s.values.emplace_back();
    to.shape = r.shape_of(v);
    to.dtype = r.dtype_of_value(v);
    if (from.is_leaf == 0) {
      to.node = from.origin;
    } else if (const auto& info = r.leaves[from.origin].info; info != nullptr) {
      to.name = info->path();
      to.parameter = true;
    }
  }
  for (const auto& [value, name] : r.names) s.values[value].name = name;
  for (auto state = r.notes.states.rbegin(); state != r.notes.states.rend(); ++state)
    s.values[state->value].state = r.notes.state_names[state->name];  // the first of several stays
}

void copy_nodes(const Recording& r, graph::Snapshot& s) {
  const auto runs = runs_by_path(r);
  s.nodes.reserve(r.nodes.size());
  for (const detail::Node& from : r.nodes) {
    const detail::Label& label = r.label_of(from);
    graph::Node& to = s.nodes.emplace_back();
    to.operation = from.operation->name;
    to.path = r.paths[label.path];
    to.step = label.step;
    to.order = static_cast<int>(label.order);
    to.view = from.operation->flow == Flow::views;
    if (const auto& run = runs[label.path]; run.layer >= 0) {
      to.layer = run.layer;
      to.direction = run.reversed ? graph::Direction::backward : graph::Direction::forward;
    }
    const std::uint32_t* inputs = r.inputs_of(from);
    to.inputs.reserve(from.inputs);
    for (std::uint32_t k = 0; k < from.inputs; ++k)
      to.inputs.push_back(inputs[k] == no_value ? Index{-1} : Index{inputs[k]});
    to.outputs.reserve(from.outputs);
    for (std::uint32_t k = 0; k < from.outputs; ++k)
      to.outputs.push_back(Index{from.first_output} + k);
  }
}

// As report() counts: a block once, and not what is made anew when it is needed. What recompute()
// keeps is put down to the first node that it is kept for.
void count_saved(const Recording& r, graph::Snapshot& s) {
  std::unordered_set<std::uint64_t> counted;
  const auto count = [&](std::uint32_t node, const detail::SavedBlock& block) {
    if (block.bytes > 0 && node < s.nodes.size() && counted.insert(block.id).second)
      s.nodes[node].saved_bytes += block.bytes;
  };
  for (std::uint32_t n = 0; n < r.nodes.size(); ++n) {
    const bool recomputed = r.recomputed.recomputes(n);
    for (std::uint8_t i = 0; i < r.nodes[n].saved; ++i)
      if (const auto block = r.saved_block(r.nodes[n], i); block.held || !recomputed)
        count(n, block);
  }
  r.recomputed.for_each_input(count);
}

void copy_measurements(const Recording& r, graph::Snapshot& s) {
  for (std::size_t v = 0; v < r.notes.norms.size(); ++v)
    s.values[v].gradient_norm = r.notes.norms[v];
  if (r.measurements == nullptr) return;
  const auto& statistics = r.measurements->statistics;
  for (std::size_t v = 0; v < statistics.size(); ++v) s.values[v].statistics = statistics[v];
  for (std::size_t n = 0; n < s.nodes.size(); ++n) {
    s.nodes[n].seconds = r.measurements->seconds.at(n);
    s.nodes[n].backward_seconds = r.measurements->backward_seconds.at(n);
  }
}

// Parameters that the tape did not read.
void add_unread(const Recording& r, std::span<const Tensor> parameters, graph::Snapshot& s) {
  if (parameters.empty()) return;
  std::unordered_set<const detail::LeafInfo*> known;
  for (const detail::Leaf& leaf : r.leaves) known.insert(leaf.info.get());
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const std::string name = "parameters[" + std::to_string(i) + "]";
    detail::require_defined("snapshot", name, parameters[i]);
    const detail::Header& h = *parameters[i].header();
    const auto& info = detail::leaf_info(h);
    if (info == nullptr)
      fail_nowhere("snapshot",
                   {.given = name + " " + describe(parameters[i]) + " is not a parameter",
                    .needed = "parameters of modules",
                    .hint = "{.parameters = model.parameters()}"});
    if (h.is(detail::Header::frozen) || !known.insert(info.get()).second) continue;
    graph::Value& value = s.values.emplace_back();
    value.shape = parameters[i].shape();
    value.dtype = parameters[i].dtype();
    value.name = info->path();
    value.parameter = true;
  }
}

}  // namespace

graph::Snapshot Tape::snapshot() const { return snapshot(graph::SnapshotOptions{}); }

graph::Snapshot Tape::snapshot(const graph::SnapshotOptions& options) const {
  check_thread();
  const Recording& r = *recording_;
  graph::Snapshot s;
  copy_values(r, s);
  copy_nodes(r, s);
  count_saved(r, s);
  copy_measurements(r, s);
  add_unread(r, options.parameters, s);
  if (r.notes.loss != no_value) s.loss = r.notes.loss;
  return s;
}

namespace graph {

Index own_bytes(const Snapshot& s, const Value& value) {
  const bool view = value.node >= 0 && s.nodes[static_cast<std::size_t>(value.node)].view;
  return view ? 0 : value.bytes();
}

void check(const Snapshot& s) {
  if (const auto problem = detail::find_problem(s))
    fail_nowhere("graph", {.given = problem->given, .needed = problem->needed, .hint = {}});
}

}  // namespace graph

namespace detail {
namespace {

std::string node_text(Index number) { return "node " + std::to_string(number); }
std::string value_text(Index number) { return "value " + std::to_string(number); }

std::optional<GraphProblem> find_problem(const graph::Snapshot& s, Index number, Index& last) {
  const graph::Node& node = s.nodes[static_cast<std::size_t>(number)];
  const Index values = std::ssize(s.values);
  const auto maker = [&](Index v) { return s.values[static_cast<std::size_t>(v)].node; };
  const auto all = [&] { return "one of " + std::to_string(values) + " values"; };
  const auto problem = [&](const char* does, Index v, const std::string& more,
                           const std::string& needed) {
    return GraphProblem{
        .node = number, .given = node_text(number) + does + value_text(v) + more, .needed = needed};
  };
  for (const Index v : node.inputs) {
    if (v < -1 || v >= values) return problem(" reads ", v, "", "-1 or " + all());
    if (v >= 0 && maker(v) >= number)
      return problem(" reads ", v, " of " + node_text(maker(v)), "a value that is made before");
  }
  for (const Index v : node.outputs) {
    if (v < 0 || v >= values) return problem(" makes ", v, "", all());
    if (v <= last)
      return problem(" makes ", v, " after " + value_text(last), "values in ascending order");
    if (maker(v) != number)
      return problem(" makes ", v, ", whose node is " + std::to_string(maker(v)),
                     "the same in both");
    last = v;
  }
  return {};
}

}  // namespace

std::optional<GraphProblem> find_problem(const graph::Snapshot& s) {
  Index last = -1;
  for (Index n = 0; n < std::ssize(s.nodes); ++n)
    if (auto problem = find_problem(s, n, last)) return problem;
  for (Index v = 0; v < std::ssize(s.values); ++v) {
    const Index node = s.values[static_cast<std::size_t>(v)].node;
    if (node == -1) continue;
    const auto problem = [&](const std::string& needed) {
      return GraphProblem{.value = v,
                          .given = value_text(v) + ", whose node is " + std::to_string(node),
                          .needed = needed};
    };
    if (node < -1 || node >= std::ssize(s.nodes))
      return problem("-1 or one of " + std::to_string(s.nodes.size()) + " nodes");
    const auto& made = s.nodes[static_cast<std::size_t>(node)].outputs;
    if (!std::binary_search(made.begin(), made.end(), v))
      return problem("it among the outputs of that node");
  }
  if (s.loss < -1 || s.loss >= std::ssize(s.values))
    return GraphProblem{.given = "the loss is " + value_text(s.loss),
                        .needed = "-1 or one of " + std::to_string(s.values.size()) + " values"};
  return {};
}

}  // namespace detail
}  // namespace unroll
