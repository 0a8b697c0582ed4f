#include <unroll/autograd/graph/detail/describe.h>

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>

#include "request.h"
#include "table.h"

namespace graph_tool {
namespace {

namespace graph = unroll::graph;
using graph::Snapshot;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

std::string count_text(Index count, const std::string& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

// Sums over operations that have something in common.
struct Sums {
  Index operations = 0;
  double result_bytes = 0, saved_bytes = 0, seconds = 0;
};

using Key = std::function<std::string(const graph::Node&)>;

std::string sums_table(const Snapshot& s, const std::string& heading, const Key& key,
                       bool by_count) {
  std::vector<std::pair<std::string, Sums>> rows;
  std::map<std::string, std::size_t> place;
  bool timed = false;
  for (const graph::Node& n : s.nodes) {
    const auto [found, is_new] = place.try_emplace(key(n), rows.size());
    if (is_new) rows.emplace_back(found->first, Sums{});
    Sums& sums = rows[found->second].second;
    ++sums.operations;
    for (const Index v : n.outputs)
      sums.result_bytes += static_cast<double>(graph::own_bytes(s, s.values[at(v)]));
    sums.saved_bytes += static_cast<double>(n.saved_bytes);
    timed = timed || n.seconds.has_value() || n.backward_seconds.has_value();
    sums.seconds += n.seconds.value_or(0) + n.backward_seconds.value_or(0);
  }
  if (by_count)
    std::ranges::stable_sort(rows, [](const auto& x, const auto& y) {
      return x.second.operations > y.second.operations;
    });
  std::vector<std::string> columns = {heading, "operations", "results", "saved"};
  if (timed) columns.emplace_back("time");
  Table table(columns);
  for (const auto& [name, sums] : rows) {
    std::vector<std::string> row = {name.empty() ? "(none)" : graph::printable(name, 200),
                                    std::to_string(sums.operations), bytes_text(sums.result_bytes),
                                    bytes_text(sums.saved_bytes)};
    if (timed) row.push_back(seconds_text(sums.seconds));
    table.add(std::move(row));
  }
  constexpr std::size_t most = 40;
  return table.text(most) + "\n";
}

std::string summary(const Snapshot& s) {
  Index parameters = 0, inputs = 0;
  double results = 0, saved = 0, leaves = 0;
  for (const graph::Value& v : s.values) {
    parameters += v.node < 0 && v.parameter ? 1 : 0;
    inputs += v.node < 0 && !v.parameter ? 1 : 0;
    (v.node < 0 ? leaves : results) += static_cast<double>(graph::own_bytes(s, v));
  }
  Index highest = 0;
  for (const graph::Node& n : s.nodes) {
    saved += static_cast<double>(n.saved_bytes);
    highest = std::max<Index>(highest, n.order);
  }
  std::string text = count_text(std::ssize(s.nodes), "operation") + ", " +
                     count_text(parameters, "parameter") + ", " + count_text(inputs, "input");
  if (highest > 0) text += ", gradients of order " + std::to_string(highest) + " among them";
  text += "\nbytes: " + bytes_text(results) + " of results, " + bytes_text(saved) +
          " saved for the gradient, " + bytes_text(leaves) + " of parameters and inputs\n";
  text += s.loss < 0 ? std::string("no loss: nothing was differentiated before it was saved\n")
                     : "loss: " + graph::detail::name_of(s, s.loss) + "\n";
  return text + "\n";
}

std::string loops(const Snapshot& s) {
  const graph::Folded folded = graph::fold(s);
  if (folded.loops.empty()) return "no loops\n\n";
  Table table({"loop", "times", "steps", "operations each", "variants"});
  for (const graph::Loop& loop : folded.loops) {
    const graph::Loop::Variant* usual = &loop.variants.front();
    for (const auto& variant : loop.variants)
      if (variant.iterations.size() > usual->iterations.size()) usual = &variant;
    const graph::Node& example = s.nodes[at(usual->example)];
    std::string name = example.path.empty() ? "(none)" : graph::printable(example.path, 200);
    if (loop.layer >= 0) name += ", layer " + std::to_string(loop.layer);
    if (loop.direction == graph::Direction::backward) name += " backwards";
    const Index first = loop.steps.front(), last = loop.steps.back();
    table.add({name, "× " + std::to_string(loop.steps.size()),
               first < 0 ? "-" : std::to_string(first) + "…" + std::to_string(last),
               std::to_string(usual->operations.size()), std::to_string(loop.variants.size())});
  }
  constexpr std::size_t most = 40;
  return table.text(most) + "\n";
}

// Values that the loss is computed from.
std::vector<bool> reached(const Snapshot& s) {
  std::vector<bool> result(s.values.size(), false);
  if (s.loss >= 0) result[at(s.loss)] = true;
  for (auto n = s.nodes.rbegin(); n != s.nodes.rend(); ++n) {
    const bool used = std::ranges::any_of(n->outputs, [&](Index v) { return result[at(v)]; });
    for (const Index v : n->inputs)
      if (used && v >= 0) result[at(v)] = true;
  }
  return result;
}

std::string parameters(const Snapshot& s) {
  const std::vector<bool> is_reached = reached(s);
  Table table({"parameter", "shape", "bytes", "‖gradient‖", "the loss"});
  Index unreached = 0;
  for (std::size_t v = 0; v < s.values.size(); ++v) {
    const graph::Value& value = s.values[v];
    if (value.node >= 0 || !value.parameter) continue;
    const bool missed = s.loss >= 0 && !is_reached[v];
    unreached += missed ? 1 : 0;
    table.add({graph::printable(value.name, 200), graph::detail::form_of(value),
               bytes_text(static_cast<double>(value.bytes())),
               value.gradient_norm ? number_text(*value.gradient_norm) : "-",
               s.loss < 0 ? "-"
               : missed   ? "does not reach it"
                          : "reaches it"});
  }
  if (table.size() == 0) return "no parameters\n\n";
  std::string text = table.text();
  if (unreached > 0)
    text += "  the loss does not depend on " + count_text(unreached, "parameter") + "\n";
  return text + "\n";
}

// The values of which `amount` is greatest, with it.
std::string greatest(const Snapshot& s, const std::string& heading,
                     const std::function<double(const graph::Value&)>& amount,
                     std::string (*text)(double)) {
  constexpr std::ptrdiff_t most = 5;
  std::vector<Index> values;
  for (std::size_t v = 0; v < s.values.size(); ++v)
    if (amount(s.values[v]) > 0) values.push_back(static_cast<Index>(v));
  const auto end = values.begin() + std::min(most, std::ssize(values));
  std::ranges::partial_sort(values, end, [&](Index x, Index y) {
    const double of_x = amount(s.values[at(x)]), of_y = amount(s.values[at(y)]);
    return of_x != of_y ? of_x > of_y : x < y;
  });
  Table table({heading, ""});
  for (auto v = values.begin(); v != end; ++v) {
    const graph::Value& value = s.values[at(*v)];
    std::string name = graph::detail::name_of(s, *v);
    if (value.node >= 0 && !s.nodes[at(value.node)].path.empty())
      name += " at " + graph::printable(s.nodes[at(value.node)].path, 200);
    if (value.node >= 0 && s.nodes[at(value.node)].step >= 0)
      name += ", t=" + std::to_string(s.nodes[at(value.node)].step);
    table.add({name, text(amount(value))});
  }
  return table.size() == 0 ? std::string() : table.text() + "\n";
}

std::string not_finite(const Snapshot& s) {
  Index values = 0, first = -1;
  for (std::size_t v = 0; v < s.values.size(); ++v)
    if (const auto& x = s.values[v].statistics; x && x->nan + x->infinite > 0) {
      if (values++ == 0) first = static_cast<Index>(v);
    }
  if (values == 0) return {};
  return "NaN or Inf in " + count_text(values, "tensor") + ", the first is " +
         graph::detail::name_of(s, first) + "\n";
}

}  // namespace

std::string stats(const Snapshot& s) {
  const auto bytes = [&](const graph::Value& v) {
    return static_cast<double>(graph::own_bytes(s, v));
  };
  const auto norm = [](const graph::Value& v) { return v.gradient_norm.value_or(0); };
  return summary(s) +
         sums_table(
             s, "operation", [](const graph::Node& n) { return n.operation; }, true) +
         sums_table(
             s, "module", [](const graph::Node& n) { return n.path; }, false) +
         loops(s) + parameters(s) + greatest(s, "largest tensors", bytes, &bytes_text) +
         greatest(s, "greatest norms of gradients", norm, &number_text) + not_finite(s);
}

}  // namespace graph_tool
