#pragma once

#include <unroll/autograd/graph/detail/at.h>
#include <unroll/autograd/graph/detail/interner.h>
#include <unroll/autograd/graph/diff.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace unroll::graph::detail {

// Which output of its node a value is.
Index output_index(const Snapshot& snapshot, Index value);

// Numbers what two recordings are made of: the same number in both where `options` take things for
// the same.
class Vocabulary {
 public:
  explicit Vocabulary(const CompareOptions& options) : options_(options) {}

  std::uint32_t place(const Node& node);  // path, time step, layer, direction, order
  // Operation, place and how many outputs: what a node is, whatever it is computed from.
  std::uint32_t letter(const Node& node);
  std::uint32_t shape(const Value& value);              // and dtype; 0 without `shapes`
  std::uint32_t leaf(const Value& value, bool shaped);  // name, parameter, shape if `shaped`
  std::uint32_t intern(std::span<const std::uint32_t> key) { return interner_(key); }
  // Numbers given so far are smaller.
  std::size_t size() const { return interner_.size(); }

 private:
  std::uint32_t text(const std::string& text);
  void append(Index number);

  CompareOptions options_;
  Interner interner_;
  std::unordered_map<std::string, std::uint32_t> texts_;
  std::vector<std::uint32_t> key_;
  Node last_;  // whose place was asked last
  std::uint32_t last_place_ = 0;
  bool has_last_ = false;
};

// Where each value is used: uses[starts[v]] to uses[starts[v + 1]], in the order of recording.
struct Uses {
  struct Use {
    Index node;
    Index operand;
  };
  std::vector<std::size_t> starts;
  std::vector<Use> uses;
  std::span<const Use> of(Index value) const {
    return std::span(uses).subspan(starts[at(value)], starts[at(value) + 1] - starts[at(value)]);
  }
};
Uses uses_of(const Snapshot& snapshot);

// Who a leaf is: its name, or its place among the leaves that look like it.
std::vector<std::uint32_t> leaf_identities(const Snapshot& snapshot, Vocabulary& vocabulary,
                                           const CompareOptions& options);

// Nodes of one class compute the same from the same leaves. With `order` the operands are told by
// their position in the recording instead.
std::vector<std::uint32_t> node_classes(const Snapshot& snapshot,
                                        const std::vector<std::uint32_t>& leaves,
                                        Vocabulary& vocabulary, bool order);

// Finer than the classes: what is made of the results agrees, too. Tells f(x) · f(x), where f is
// recorded once, from the product of two recordings, as of two masks of one dropout.
std::vector<std::uint32_t> use_classes(const Snapshot& snapshot,
                                       const std::vector<std::uint32_t>& classes,
                                       Vocabulary& vocabulary);

}  // namespace unroll::graph::detail
