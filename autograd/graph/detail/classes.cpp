#include <unroll/autograd/graph/detail/classes.h>

#include <array>

namespace unroll::graph::detail {
namespace {

// What a key is about, its first word.
enum Tag : std::uint32_t {
  text_tag,
  place_tag,
  letter_tag,
  shape_tag,
  leaf_tag,
  identity_tag,
  use_of_leaf_tag,
  node_tag,
  use_tag
};

constexpr std::uint32_t nothing = 0xffffffffU;

}  // namespace

Index output_index(const Snapshot& snapshot, Index value) {
  const Index node = snapshot.values[at(value)].node;
  const std::vector<Index>& outputs = snapshot.nodes[at(node)].outputs;
  return std::ranges::lower_bound(outputs, value) - outputs.begin();
}

std::uint32_t Vocabulary::text(const std::string& text) {
  return texts_.try_emplace(text, static_cast<std::uint32_t>(texts_.size())).first->second;
}

void Vocabulary::append(Index number) {
  const auto bits = static_cast<std::uint64_t>(number);
  key_.push_back(static_cast<std::uint32_t>(bits));
  key_.push_back(static_cast<std::uint32_t>(bits >> 32U));
}

std::uint32_t Vocabulary::place(const Node& node) {
  // Mostly that of the node before.
  if (has_last_ && last_.path == node.path && last_.step == node.step &&
      last_.layer == node.layer && last_.direction == node.direction && last_.order == node.order)
    return last_place_;
  has_last_ = true;
  last_ = {.path = node.path,
           .step = node.step,
           .layer = node.layer,
           .direction = node.direction,
           .order = node.order};
  key_.assign({place_tag, options_.paths ? text(node.path) : nothing,
               static_cast<std::uint32_t>(node.order)});
  if (options_.steps) {
    append(node.step);
    append(node.layer);
    key_.push_back(static_cast<std::uint32_t>(node.direction));
  }
  last_place_ = interner_(key_);
  return last_place_;
}

std::uint32_t Vocabulary::letter(const Node& node) {
  const std::uint32_t where = place(node);
  key_.assign(
      {letter_tag, text(node.operation), where, static_cast<std::uint32_t>(node.outputs.size())});
  return interner_(key_);
}

std::uint32_t Vocabulary::shape(const Value& value) {
  key_.assign({shape_tag});
  if (options_.shapes) {
    key_.push_back(static_cast<std::uint32_t>(value.dtype));
    for (const Index extent : value.shape) append(extent);
  }
  return interner_(key_);
}

std::uint32_t Vocabulary::leaf(const Value& value, bool shaped) {
  const bool named = options_.paths || !value.parameter;
  const std::uint32_t form = shaped ? shape(value) : nothing;
  key_.assign({leaf_tag, named ? text(value.name) : nothing, value.parameter ? 1U : 0U, form});
  return interner_(key_);
}

Uses uses_of(const Snapshot& snapshot) {
  Uses result;
  result.starts.assign(snapshot.values.size() + 1, 0);
  for (const Node& node : snapshot.nodes)
    for (const Index v : node.inputs)
      if (v >= 0) ++result.starts[at(v) + 1];
  for (std::size_t v = 0; v < snapshot.values.size(); ++v) result.starts[v + 1] += result.starts[v];
  result.uses.resize(result.starts.back());
  std::vector<std::size_t> next(result.starts.begin(), result.starts.end() - 1);
  for (std::size_t n = 0; n < snapshot.nodes.size(); ++n) {
    const std::vector<Index>& inputs = snapshot.nodes[n].inputs;
    for (std::size_t k = 0; k < inputs.size(); ++k)
      if (inputs[k] >= 0)
        result.uses[next[at(inputs[k])]++] = {static_cast<Index>(n), static_cast<Index>(k)};
  }
  return result;
}

namespace {

// Leaves numbered among those that look alike, in the order of recording.
std::vector<std::uint32_t> numbered(const std::vector<std::uint32_t>& looks,
                                    Vocabulary& vocabulary) {
  std::vector<std::uint32_t> result(looks.size(), nothing);
  std::unordered_map<std::uint32_t, std::uint32_t> seen;
  for (std::size_t v = 0; v < looks.size(); ++v)
    if (looks[v] != nothing)
      result[v] =
          vocabulary.intern(std::array<std::uint32_t, 3>{identity_tag, looks[v], seen[looks[v]]++});
  return result;
}

}  // namespace

std::vector<std::uint32_t> leaf_identities(const Snapshot& snapshot, Vocabulary& vocabulary,
                                           const CompareOptions& options) {
  std::vector<std::uint32_t> looks(snapshot.values.size(), nothing);
  for (std::size_t v = 0; v < looks.size(); ++v)
    if (snapshot.values[v].node < 0) looks[v] = vocabulary.leaf(snapshot.values[v], true);
  if (options.paths || options.order) return numbered(looks, vocabulary);

  // Parameters without names are known by what is made of them; their order is that of first use,
  // which may differ.
  const auto classes = node_classes(snapshot, looks, vocabulary, false);
  const auto below = use_classes(snapshot, classes, vocabulary);
  const Uses uses = uses_of(snapshot);
  std::vector<std::pair<std::uint32_t, std::uint32_t>> sorted;
  std::vector<std::uint32_t> key;
  for (std::size_t v = 0; v < looks.size(); ++v) {
    if (looks[v] == nothing || !snapshot.values[v].parameter) continue;
    sorted.clear();
    for (const auto& [node, operand] : uses.of(static_cast<Index>(v)))
      sorted.emplace_back(below[at(node)], static_cast<std::uint32_t>(operand));
    std::ranges::sort(sorted);
    key.assign({use_of_leaf_tag, looks[v]});
    for (const auto& [node, operand] : sorted) {
      key.push_back(node);
      key.push_back(operand);
    }
    looks[v] = vocabulary.intern(key);
  }
  return numbered(looks, vocabulary);
}

std::vector<std::uint32_t> node_classes(const Snapshot& snapshot,
                                        const std::vector<std::uint32_t>& leaves,
                                        Vocabulary& vocabulary, bool order) {
  std::vector<std::uint32_t> classes(snapshot.nodes.size());
  std::vector<std::uint32_t> key;
  for (std::size_t n = 0; n < classes.size(); ++n) {
    const Node& node = snapshot.nodes[n];
    const std::uint32_t letter = vocabulary.letter(node);
    key.assign({node_tag, letter});
    for (const Index v : node.outputs) key.push_back(vocabulary.shape(snapshot.values[at(v)]));
    for (const Index v : node.inputs) {
      const Index from = v < 0 ? -1 : snapshot.values[at(v)].node;
      if (v < 0) {
        key.insert(key.end(), {nothing, nothing});
      } else if (from < 0) {
        key.insert(key.end(), {leaves[at(v)], nothing});
      } else {
        const Index output = output_index(snapshot, v);
        key.push_back(order ? static_cast<std::uint32_t>(from) : classes[at(from)]);
        key.push_back(static_cast<std::uint32_t>(output));
      }
    }
    classes[n] = vocabulary.intern(key);
  }
  return classes;
}

std::vector<std::uint32_t> use_classes(const Snapshot& snapshot,
                                       const std::vector<std::uint32_t>& classes,
                                       Vocabulary& vocabulary) {
  std::vector<std::uint32_t> result(classes.size());
  const Uses uses = uses_of(snapshot);
  std::vector<std::array<std::uint32_t, 3>> sorted;
  std::vector<std::uint32_t> key;
  for (std::size_t n = classes.size(); n-- > 0;) {
    sorted.clear();
    const std::vector<Index>& outputs = snapshot.nodes[n].outputs;
    for (std::size_t k = 0; k < outputs.size(); ++k)
      for (const auto& [node, operand] : uses.of(outputs[k]))
        sorted.push_back(
            {result[at(node)], static_cast<std::uint32_t>(operand), static_cast<std::uint32_t>(k)});
    std::ranges::sort(sorted);
    key.assign({use_tag, classes[n]});
    for (const auto& use : sorted) key.insert(key.end(), use.begin(), use.end());
    result[n] = vocabulary.intern(key);
  }
  return result;
}

}  // namespace unroll::graph::detail
