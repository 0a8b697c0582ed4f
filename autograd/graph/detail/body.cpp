#include <unroll/autograd/graph/detail/body.h>

#include <algorithm>

namespace unroll::graph::detail {
namespace {

constexpr Index longest_branch = 64;  // keeps the search linear

}  // namespace

Body::Body(const Letters& letters, Index first, Index period)
    : letters_(letters), first_(first), period_(period) {
  const Index second = first + period;
  for (Index n = second; n < second + period; ++n) {
    const std::vector<Index>& inputs = letters.node(n).inputs;
    for (std::size_t k = 0; k < inputs.size(); ++k)
      if (inputs[k] >= 0 && letters.origin(inputs[k]) >= first &&
          letters.origin(inputs[k]) < second)
        state_.push_back({.operation = n - second, .number = k});
  }
}

Index Body::front(Index begin, Index most) const {
  Index same = 0;
  while (same < most && letters_[begin + same] == letters_[first_ + same]) ++same;
  return same;
}

Index Body::back(Index end, Index most) const {
  Index same = 0;
  while (same < most && letters_[end - 1 - same] == letters_[first_ + period_ - 1 - same]) ++same;
  return same;
}

bool Body::fits(Index nodes, Index front, Index back) const {
  return front + back >= std::min(nodes, period_);
}

bool Body::goes_on(Stretch iteration, Index before) const {
  const Index most = std::min(iteration.end - iteration.begin, period_);
  const Index from_front = front(iteration.begin, most);
  const Index from_back = back(iteration.end, most - from_front);
  bool has_state = false;
  for (const Operand& operand : state_) {
    Index node = iteration.begin + operand.operation;
    if (operand.operation >= from_front) {
      if (operand.operation < period_ - from_back) continue;
      node = iteration.end - period_ + operand.operation;
    }
    const std::vector<Index>& inputs = letters_.node(node).inputs;
    if (operand.number >= inputs.size()) continue;
    const Index value = inputs[operand.number];
    if (value < 0 || letters_.origin(value) < before) return false;
    has_state = true;
  }
  return has_state;
}

// The whole body, else what is nearest to its length.
Index Body::next(Stretch before, Index limit) const {
  const Index begin = before.end;
  const Index same = front(begin, std::min(period_, limit - begin));
  for (Index change = 0; change <= most_change(); ++change)
    for (const Index nodes : {period_ + change, period_ - change}) {
      const Index end = begin + nodes;
      if (end > limit) continue;
      const Index at_end = back(end, std::min(period_, nodes));
      if (nodes < period_ && (same == 0 || at_end == 0)) continue;
      if (!fits(nodes, same, at_end)) continue;
      if (goes_on({begin, end}, before.begin)) return end;
    }
  return -1;
}

Index Body::previous(Stretch after, Index limit) const {
  const Index end = after.begin;
  const Index same = back(end, std::min(period_, end - limit));
  for (Index change = 0; change <= most_change(); ++change)
    for (const Index nodes : {period_ + change, period_ - change}) {
      const Index begin = end - nodes;
      if (begin < limit || 2 * nodes <= period_ ||
          !fits(nodes, front(begin, std::min(period_, nodes)), same))
        continue;
      if (goes_on(after, begin)) return begin;
    }
  return -1;
}

Index Body::most_change() const { return std::min(period_ / 2, longest_branch); }

}  // namespace unroll::graph::detail
