#pragma once

#include <unroll/autograd/graph/detail/at.h>
#include <unroll/autograd/graph/fold.h>

#include <cstdint>
#include <vector>

namespace unroll::graph::detail {

inline std::uint64_t mixed(std::uint64_t hash, std::uint64_t with) {
  hash = (hash ^ with) * 0x9e3779b97f4a7c15ULL;
  return hash ^ (hash >> 29);
}

// Consecutive recorded nodes, begin … end - 1.
struct Stretch {
  Index begin = 0;
  Index end = 0;
};

// The recording as a sequence of letters: nodes of one signature have the same. Operands that are
// made elsewhere and stand side by side count as one.
class Letters {
 public:
  explicit Letters(const Snapshot& snapshot);

  const Snapshot& snapshot() const { return snapshot_; }
  const std::vector<Folded::Signature>& signatures() const { return signatures_; }
  const std::vector<Index>& of_nodes() const { return letters_; }
  Index operator[](Index node) const { return letters_[at(node)]; }
  const Node& node(Index n) const { return snapshot_.nodes[at(n)]; }
  Index origin(Index value) const { return snapshot_.values[at(value)].node; }
  // Which output of its node a value is.
  Index output(Index value) const { return outputs_[at(value)]; }

  // Whether the nodes from a and from b have the same letters and the same wiring inside.
  bool same(Index a, Index b, Index nodes) const;
  std::uint64_t hash(Stretch iteration) const;

 private:
  bool is_of(const Node& node, const Folded::Signature& signature) const;
  // Where an operand is made in the iteration, and which output it is.
  struct Wire {
    Index node = -1;  // -1: elsewhere
    Index output = 0;
    friend bool operator==(const Wire&, const Wire&) = default;
  };
  // Of operand k of a node; k goes on to the next that counts.
  Wire next_wire(const Node& node, std::size_t& k, Index begin) const;

  const Snapshot& snapshot_;
  std::vector<Folded::Signature> signatures_;
  std::vector<Index> letters_;
  std::vector<Index> outputs_;
};

}  // namespace unroll::graph::detail
