#include <unroll/autograd/graph/detail/classes.h>
#include <unroll/autograd/graph/detail/describe.h>
#include <unroll/autograd/graph/dot.h>

namespace unroll::graph::detail {

std::string name_of(const Node& node) {
  std::string text = printable(node.operation);
  std::string place = node.path.empty() ? std::string() : printable(node.path, 200);
  const auto add = [&place](const std::string& part) {
    if (!place.empty()) place += ", ";
    place += part;
  };
  if (node.step >= 0) add("t=" + std::to_string(node.step));
  if (node.layer >= 0) add("layer " + std::to_string(node.layer));
  if (node.direction == Direction::backward) add("backwards");
  if (node.order > 0) add("of the gradient of order " + std::to_string(node.order));
  return place.empty() ? text : text + " at " + place;
}

std::string form_of(const Value& value) {
  return std::string(unroll::name_of(value.dtype)) + " " + to_string(value.shape);
}

std::string name_of(const Snapshot& snapshot, Index v) {
  return v < 0 ? "a constant" : name_of(snapshot, v, snapshot.values[at(v)]);
}

std::string name_of(const Snapshot& snapshot, Index v, const Value& value) {
  if (v < 0) return "a constant";
  const std::string name = value.name.empty() ? "" : " " + printable(value.name, 200);
  if (value.node < 0)
    return (value.parameter ? "parameter" : "input") + name + " " + form_of(value);
  const Node& node = snapshot.nodes[at(value.node)];
  std::string text = printable(node.operation);
  if (node.outputs.size() > 1) text += "." + std::to_string(output_index(snapshot, v));
  return text + name + " " + form_of(value) + " (operation " + std::to_string(value.node) + ")";
}

std::string operands_and_results(const Snapshot& snapshot, Index n) {
  constexpr std::size_t most = 8;  // of either
  const Node& node = snapshot.nodes[at(n)];
  std::string text;
  const auto list = [&](const std::vector<Index>& values, const auto& write) {
    for (std::size_t k = 0; k < values.size() && k < most; ++k)
      text += (k > 0 ? ", " : "") + write(values[k]);
    if (values.size() > most) text += ", and " + std::to_string(values.size() - most) + " more";
  };
  if (node.inputs.empty()) text += "nothing";
  list(node.inputs, [&](Index v) { return name_of(snapshot, v); });
  text += " -> ";
  list(node.outputs, [&](Index v) { return form_of(snapshot.values[at(v)]); });
  return text;
}

std::string describe(const Snapshot& snapshot, Index n) {
  return name_of(snapshot.nodes[at(n)]) + ": " + operands_and_results(snapshot, n);
}

}  // namespace unroll::graph::detail
