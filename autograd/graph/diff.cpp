#include <unroll/autograd/graph/detail/classes.h>
#include <unroll/autograd/graph/detail/edit_script.h>
#include <unroll/autograd/graph/diff.h>

#include <unordered_map>

namespace unroll::graph {
namespace {

using detail::at;

// Leaves of a and b of which one stands for the other; -1: none.
class LeafMatch {
 public:
  LeafMatch(const Snapshot& a, const Snapshot& b) : a_(a), b_(b) {
    in_b.assign(a.values.size(), -1);
    in_a.assign(b.values.size(), -1);
  }

  // Those that look alike, in their order.
  template <class Look>
  void match_by(const Look& look) {
    std::unordered_map<std::uint32_t, std::vector<Index>> waiting;  // of b, last first
    for (std::size_t v = b_.values.size(); v-- > 0;)
      if (b_.values[v].node < 0 && in_a[v] < 0)
        waiting[look(b_.values[v])].push_back(static_cast<Index>(v));
    for (std::size_t v = 0; v < a_.values.size(); ++v) {
      if (a_.values[v].node >= 0 || in_b[v] >= 0) continue;
      const auto found = waiting.find(look(a_.values[v]));
      if (found == waiting.end() || found->second.empty()) continue;
      match(static_cast<Index>(v), found->second.back());
      found->second.pop_back();
    }
  }

  // Parameters without names: those that operations that stay take at the same place.
  template <class Look>
  void match_by_use(const std::vector<Index>& nodes, const Look& look) {
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      if (nodes[n] < 0) continue;
      const std::vector<Index>&of_a = a_.nodes[n].inputs, &of_b = b_.nodes[at(nodes[n])].inputs;
      for (std::size_t k = 0; k < of_a.size() && k < of_b.size(); ++k) {
        if (!is_free_parameter(a_, of_a[k], in_b) || !is_free_parameter(b_, of_b[k], in_a))
          continue;
        if (look(a_.values[at(of_a[k])]) == look(b_.values[at(of_b[k])])) match(of_a[k], of_b[k]);
      }
    }
  }

  std::vector<Index> in_b, in_a;

 private:
  static bool is_free_parameter(const Snapshot& s, Index v, const std::vector<Index>& matched) {
    return v >= 0 && s.values[at(v)].node < 0 && s.values[at(v)].parameter && matched[at(v)] < 0;
  }
  void match(Index va, Index vb) {
    in_b[at(va)] = vb;
    in_a[at(vb)] = va;
  }

  const Snapshot& a_;
  const Snapshot& b_;
};

// Puts a and b together along the edit script.
class Merger {
 public:
  Merger(const Snapshot& a, const Snapshot& b, const CompareOptions& options)
      : a_(a),
        b_(b),
        options_(options),
        leaves_(a, b),
        of_a_(a.values.size(), -1),
        of_b_(b.values.size(), -1) {
    detail::Vocabulary vocabulary(options);
    const auto letters = [&](const Snapshot& s) {
      std::vector<std::uint32_t> result;
      result.reserve(s.nodes.size());
      for (const Node& node : s.nodes) result.push_back(vocabulary.letter(node));
      return result;
    };
    const auto letters_a = letters(a), letters_b = letters(b);
    stays_ = detail::edit_script(letters_a, letters_b);
    const auto look = [&](const Value& v) { return vocabulary.leaf(v, true); };
    const auto unshaped = [&](const Value& v) { return vocabulary.leaf(v, false); };
    if (!options.paths) leaves_.match_by_use(stays_, look);
    leaves_.match_by(look);
    if (!options.paths) leaves_.match_by_use(stays_, unshaped);
    leaves_.match_by(unshaped);
  }

  Difference run() {
    std::size_t next = 0;  // of b
    for (std::size_t n = 0; n < a_.nodes.size(); ++n) {
      if (stays_[n] < 0) {
        put_removed(n);
        continue;
      }
      for (; next < at(stays_[n]); ++next) put_added(next);
      put_kept(n, next++);
    }
    for (; next < b_.nodes.size(); ++next) put_added(next);
    put_leaves_of_b(static_cast<Index>(b_.values.size()));
    put_leaves_of_a(static_cast<Index>(a_.values.size()));
    if (b_.loss >= 0) result_.merged.loss = of_b_[at(b_.loss)];
    return std::move(result_);
  }

 private:
  Index put_value(const Value& value, Index node, Change change) {
    Snapshot& merged = result_.merged;
    merged.values.push_back(value);
    merged.values.back().node = node;
    result_.values.push_back(change);
    return static_cast<Index>(merged.values.size()) - 1;
  }

  // A value of b that is one of a, too.
  Index put_common(const Value& before, const Value& value, Index node) {
    const bool same =
        !options_.shapes || (before.shape == value.shape && before.dtype == value.dtype);
    const Index v = put_value(value, node, same ? Change::none : Change::changed);
    if (!same)
      result_.values_before.push_back({.value = v, .shape = before.shape, .dtype = before.dtype});
    return v;
  }

  // Leaves come before the results that follow them in their recording, and before their first use.
  void put_leaves_of_b(Index end) {
    for (; leaf_of_b_ < end; ++leaf_of_b_) put_leaf_of_b(leaf_of_b_);
  }
  void put_leaf_of_b(Index v) {
    const Value& value = b_.values[at(v)];
    if (value.node >= 0 || of_b_[at(v)] >= 0) return;
    const Index before = leaves_.in_a[at(v)];
    of_b_[at(v)] = before < 0 ? put_value(value, -1, Change::added)
                              : put_common(a_.values[at(before)], value, -1);
    if (before >= 0) of_a_[at(before)] = of_b_[at(v)];
  }
  void put_leaves_of_a(Index end) {
    for (; leaf_of_a_ < end; ++leaf_of_a_)
      if (leaves_.in_b[at(leaf_of_a_)] < 0) put_leaf_of_a(leaf_of_a_);
  }
  void put_leaf_of_a(Index v) {
    const Value& value = a_.values[at(v)];
    if (value.node >= 0 || of_a_[at(v)] >= 0) return;
    if (const Index now = leaves_.in_b[at(v)]; now >= 0)
      put_leaf_of_b(now);
    else
      of_a_[at(v)] = put_value(value, -1, Change::removed);
  }

  // What a node takes and what came before its results.
  void put_leaves_before_a(std::size_t n) {
    put_leaves_of_a(first_result(a_.nodes[n]));
    for (const Index v : a_.nodes[n].inputs)
      if (v >= 0) put_leaf_of_a(v);
  }
  void put_leaves_before_b(std::size_t n) {
    put_leaves_of_b(first_result(b_.nodes[n]));
    for (const Index v : b_.nodes[n].inputs)
      if (v >= 0) put_leaf_of_b(v);
  }
  static Index first_result(const Node& node) {
    return node.outputs.empty() ? 0 : node.outputs.front();
  }

  Index put_node(const Node& node, Change change) {
    result_.merged.nodes.push_back(node);
    result_.nodes.push_back(change);
    return static_cast<Index>(result_.merged.nodes.size()) - 1;
  }
  static std::vector<Index> renumbered(const std::vector<Index>& values,
                                       const std::vector<Index>& numbers) {
    std::vector<Index> result;
    result.reserve(values.size());
    for (const Index v : values) result.push_back(v < 0 ? -1 : numbers[at(v)]);
    return result;
  }

  // A node that only one of them has.
  void put_alone(const Snapshot& from, std::size_t n, std::vector<Index>& numbers, Change change) {
    const Index node = put_node(from.nodes[n], change);
    for (const Index v : from.nodes[n].outputs)
      numbers[at(v)] = put_value(from.values[at(v)], node, change);
    Node& made = result_.merged.nodes.back();
    made.inputs = renumbered(made.inputs, numbers);
    made.outputs = renumbered(made.outputs, numbers);
  }

  void put_added(std::size_t n) {
    put_leaves_before_b(n);
    put_alone(b_, n, of_b_, Change::added);
    ++result_.added;
  }

  void put_removed(std::size_t n) {
    put_leaves_before_a(n);
    put_alone(a_, n, of_a_, Change::removed);
    ++result_.removed;
  }

  void put_kept(std::size_t n, std::size_t in_b) {
    put_leaves_before_a(n);
    put_leaves_before_b(in_b);
    const Node &before = a_.nodes[n], &now = b_.nodes[in_b];
    const Index node = put_node(now, Change::none);
    for (std::size_t k = 0; k < now.outputs.size(); ++k) {
      const Index from = before.outputs[k], to = now.outputs[k];
      of_b_[at(to)] = put_common(a_.values[at(from)], b_.values[at(to)], node);
      of_a_[at(from)] = of_b_[at(to)];
    }
    Node& made = result_.merged.nodes.back();
    made.inputs = renumbered(now.inputs, of_b_);
    made.outputs = renumbered(now.outputs, of_b_);
    std::vector<Index> inputs_before = renumbered(before.inputs, of_a_);
    const auto is_changed = [&](Index v) {
      return v >= 0 && result_.values[at(v)] == Change::changed;
    };
    if (inputs_before == made.inputs && std::ranges::none_of(made.inputs, is_changed) &&
        std::ranges::none_of(made.outputs, is_changed))
      return;
    result_.nodes.back() = Change::changed;
    result_.nodes_before.push_back({.node = node, .inputs = std::move(inputs_before)});
    ++result_.changed;
  }

  const Snapshot& a_;
  const Snapshot& b_;
  const CompareOptions options_;
  LeafMatch leaves_;
  std::vector<Index> stays_;        // of each node of a: its number in b; -1: removed
  std::vector<Index> of_a_, of_b_;  // values of merged
  Index leaf_of_a_ = 0, leaf_of_b_ = 0;
  Difference result_;
};

}  // namespace

Difference diff(const Snapshot& a, const Snapshot& b, const CompareOptions& options) {
  check(a);
  check(b);
  return Merger(a, b, options).run();
}

}  // namespace unroll::graph
