#include <unroll/autograd/error.h>
#include <unroll/autograd/graph/gradient_flow.h>
#include <unroll/autograd/tape.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>
#include <ostream>
#include <tuple>

namespace unroll::graph {

double FlowSeries::growth() const {
  // Sums of deviations from the means, so that far steps cost no digits.
  double count = 0, mean_step = 0, mean_log = 0, squares = 0, products = 0;
  for (std::size_t i = 0; i < norms.size(); ++i) {
    if (!std::isfinite(norms[i]) || norms[i] <= 0) continue;
    const double step = static_cast<double>(steps[i]), log = std::log(norms[i]);
    ++count;
    const double from_mean = step - mean_step;
    mean_step += from_mean / count;
    mean_log += (log - mean_log) / count;
    squares += from_mean * (step - mean_step);
    products += from_mean * (log - mean_log);
  }
  if (count < 2 || squares == 0) return std::numeric_limits<double>::quiet_NaN();
  const double slope = products / squares;
  return std::exp(direction == Direction::backward ? slope : -slope);
}

GradientFlow gradient_flow(const Tape& tape) { return gradient_flow(tape.snapshot()); }

GradientFlow gradient_flow(const Snapshot& snapshot) {
  GradientFlow flow;
  bool states = false, norms = false;
  std::map<std::tuple<std::string, std::string, Index, Direction>, std::size_t> latest;
  for (const Value& value : snapshot.values) {
    if (value.state.empty() || value.node < 0) continue;
    const Node& node = snapshot.nodes[static_cast<std::size_t>(value.node)];
    if (node.order > 0) continue;
    states = true;
    norms = norms || value.gradient_norm.has_value();
    const auto place = latest.try_emplace({node.path, value.state, node.layer, node.direction},
                                          flow.series.size());
    std::size_t& now = place.first->second;
    const auto begin = [&](Index call) {
      now = flow.series.size();
      flow.series.push_back({.path = node.path,
                             .state = value.state,
                             .layer = node.layer,
                             .direction = node.direction,
                             .call = call});
    };
    if (place.second) begin(0);
    const FlowSeries& last = flow.series[now];
    if (!last.steps.empty() && node.step >= 0) {
      const bool later = node.direction == Direction::backward ? node.step < last.steps.back()
                                                               : node.step > last.steps.back();
      if (!later) begin(last.call + 1);
    }
    FlowSeries& series = flow.series[now];
    series.steps.push_back(node.step >= 0 ? node.step : static_cast<Index>(series.steps.size()));
    series.norms.push_back(value.gradient_norm.value_or(0));
  }
  if (!states)
    fail_nowhere("gradient_flow",
                 {.given = "a recording without states of a recurrent layer",
                  .needed = "one of a layer whose steps are on the tape, not recomputed",
                  .hint = "nn::LSTM lstm({.input = 8, .hidden = 16});"});
  if (!norms)
    fail_nowhere("gradient_flow", {.given = "a recording without norms of gradients",
                                   .needed = "those of a backward pass that keeps them",
                                   .hint = "tape.backward(loss, {.keep_norms = true})"});
  for (FlowSeries& series : flow.series)
    if (series.steps.size() > 1 && series.steps.front() > series.steps.back()) {
      std::ranges::reverse(series.steps);
      std::ranges::reverse(series.norms);
    }
  return flow;
}

namespace {

// As RFC 4180 has it.
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

std::string shortest(double x) {
  std::array<char, 32> text;
  return {text.data(), std::to_chars(text.data(), text.data() + text.size(), x).ptr};
}

}  // namespace

void write_csv(std::ostream& out, const GradientFlow& flow) {
  constexpr std::array<const char*, 3> directions = {"none", "forward", "backward"};
  out << "path,state,layer,direction,call,step,norm\n";
  for (const FlowSeries& s : flow.series) {
    const std::string head = field(s.path) + ',' + field(s.state) + ',' + std::to_string(s.layer) +
                             ',' + directions[static_cast<std::size_t>(s.direction)] + ',' +
                             std::to_string(s.call) + ',';
    for (std::size_t i = 0; i < s.steps.size(); ++i)
      out << head + std::to_string(s.steps[i]) + ',' + shortest(s.norms[i]) + '\n';
  }
}

}  // namespace unroll::graph
