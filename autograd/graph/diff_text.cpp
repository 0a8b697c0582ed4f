#include <unroll/autograd/graph/detail/classes.h>
#include <unroll/autograd/graph/detail/describe.h>

#include <algorithm>
#include <ostream>

namespace unroll::graph {
namespace {

using detail::at;

// The operands and results that a changed node had.
std::string before(const Difference& d, Index n) {
  const auto node = std::ranges::lower_bound(d.nodes_before, n, {}, &Difference::NodeBefore::node);
  if (node == d.nodes_before.end() || node->node != n) return "unknown";
  const auto form = [&](Index v) {
    Value value = v < 0 ? Value{} : d.merged.values[at(v)];
    const auto old =
        std::ranges::lower_bound(d.values_before, v, {}, &Difference::ValueBefore::value);
    if (old != d.values_before.end() && old->value == v) {
      value.shape = old->shape;
      value.dtype = old->dtype;
    }
    return value;
  };
  std::string text;
  const auto list = [&](const std::vector<Index>& values, bool operands) {
    constexpr std::size_t most = 8;
    for (std::size_t k = 0; k < values.size() && k < most; ++k) {
      text += k > 0 ? ", " : "";
      text += operands ? detail::name_of(d.merged, values[k], form(values[k]))
                       : detail::form_of(form(values[k]));
    }
    if (values.size() > most) text += ", …";
  };
  list(node->inputs, true);
  text += " -> ";
  list(d.merged.nodes[at(n)].outputs, false);
  return text;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Difference& d) {
  constexpr Index most = 60;  // lines about nodes
  if (d.empty()) return out << "no difference\n";
  out << d.added << " added, " << d.removed << " removed, " << d.changed << " changed of "
      << d.merged.nodes.size() << " operations\n";
  Index printed = 0;
  for (std::size_t n = 0; n < d.nodes.size() && printed < most; ++n) {
    if (d.nodes[n] == Change::none) continue;
    ++printed;
    const auto node = static_cast<Index>(n);
    out << (d.nodes[n] == Change::added     ? "+ "
            : d.nodes[n] == Change::removed ? "- "
                                            : "~ ")
        << detail::describe(d.merged, node) << "\n";
    if (d.nodes[n] == Change::changed) out << "    before: " << before(d, node) << "\n";
  }
  if (const Index all = d.added + d.removed + d.changed; all > printed)
    out << "… and " << all - printed << " operations more\n";
  return out;
}

}  // namespace unroll::graph
