#include <unroll/autograd/graph/detail/letters.h>

#include <functional>
#include <string_view>
#include <unordered_map>

namespace unroll::graph::detail {
namespace {

std::uint64_t hash_of(const Node& node, const std::vector<Value>& values) {
  const std::hash<std::string_view> text;
  std::uint64_t hash = mixed(text(node.operation), text(node.path));
  hash = mixed(hash, static_cast<std::uint64_t>(node.layer));
  hash = mixed(hash, static_cast<std::uint64_t>(node.direction));
  hash = mixed(hash, static_cast<std::uint64_t>(node.order));
  for (const Index v : node.outputs)
    hash = mixed(hash, static_cast<std::uint64_t>(values[at(v)].dtype));
  return hash;
}

}  // namespace

Letters::Letters(const Snapshot& snapshot) : snapshot_(snapshot), outputs_(snapshot.values.size()) {
  letters_.reserve(snapshot.nodes.size());
  std::unordered_multimap<std::uint64_t, Index> known;
  for (const Node& node : snapshot.nodes) {
    for (std::size_t k = 0; k < node.outputs.size(); ++k)
      outputs_[at(node.outputs[k])] = static_cast<Index>(k);
    const std::uint64_t hash = hash_of(node, snapshot.values);
    Index letter = -1;
    const auto [from, to] = known.equal_range(hash);
    for (auto i = from; i != to && letter < 0; ++i)
      if (is_of(node, signatures_[at(i->second)])) letter = i->second;
    if (letter < 0) {
      letter = std::ssize(signatures_);
      known.emplace(hash, letter);
      Folded::Signature& made =
          signatures_.emplace_back(Folded::Signature{.operation = node.operation,
                                                     .path = node.path,
                                                     .layer = node.layer,
                                                     .direction = node.direction,
                                                     .order = node.order,
                                                     .view = node.view});
      for (const Index v : node.outputs) made.outputs.push_back(snapshot.values[at(v)].dtype);
    }
    letters_.push_back(letter);
  }
}

bool Letters::is_of(const Node& node, const Folded::Signature& signature) const {
  if (node.operation != signature.operation || node.path != signature.path ||
      node.layer != signature.layer || node.direction != signature.direction ||
      node.order != signature.order || node.view != signature.view ||
      node.outputs.size() != signature.outputs.size())
    return false;
  for (std::size_t k = 0; k < node.outputs.size(); ++k)
    if (snapshot_.values[at(node.outputs[k])].dtype != signature.outputs[k]) return false;
  return true;
}

auto Letters::next_wire(const Node& node, std::size_t& k, Index begin) const -> Wire {
  const auto wire = [&](std::size_t operand) -> Wire {
    const Index value = node.inputs[operand];
    if (value < 0 || origin(value) < begin) return {};
    return {.node = origin(value) - begin, .output = output(value)};
  };
  const Wire found = wire(k++);
  if (found == Wire{})
    while (k < node.inputs.size() && wire(k) == Wire{}) ++k;
  return found;
}

std::uint64_t Letters::hash(Stretch iteration) const {
  std::uint64_t hash = static_cast<std::uint64_t>(iteration.end - iteration.begin);
  for (Index n = iteration.begin; n < iteration.end; ++n) {
    hash = mixed(hash, static_cast<std::uint64_t>(letters_[at(n)]));
    for (std::size_t k = 0; k < node(n).inputs.size();) {
      const Wire wire = next_wire(node(n), k, iteration.begin);
      hash = mixed(mixed(hash, static_cast<std::uint64_t>(wire.node)),
                   static_cast<std::uint64_t>(wire.output));
    }
  }
  return hash;
}

bool Letters::same(Index a, Index b, Index nodes) const {
  for (Index n = 0; n < nodes; ++n) {
    if (letters_[at(a + n)] != letters_[at(b + n)]) return false;
    const Node& x = node(a + n);
    const Node& y = node(b + n);
    std::size_t j = 0;
    std::size_t k = 0;
    while (j < x.inputs.size() && k < y.inputs.size())
      if (next_wire(x, j, a) != next_wire(y, k, b)) return false;
    if (j < x.inputs.size() || k < y.inputs.size()) return false;
  }
  return true;
}

}  // namespace unroll::graph::detail
