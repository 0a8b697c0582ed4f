#include <unroll/autograd/graph/detail/iterations.h>

#include <algorithm>
#include <numeric>

namespace unroll::graph::detail {
namespace {

bool alike(const Recorded& r, Index a, Index b) {
  return r.node(a).operation == r.node(b).operation &&
         r.path_of_node[at(a)] == r.path_of_node[at(b)] &&
         r.node(a).outputs.size() == r.node(b).outputs.size();
}

// For each of `count` nodes from `first` the entry that is the same operation, or -1: a longest
// common subsequence. Of two long lists only what they begin and end with.
std::vector<Index> matches(const Recorded& r, const std::vector<Alignment::Entry>& entries,
                           Index first, Index count) {
  const auto n = static_cast<Index>(entries.size());
  const auto same = [&](Index entry, Index k) {
    return alike(r, entries[at(entry)].example, first + k);
  };
  std::vector<Index> found(at(count), -1);
  Index head = 0, tail = 0;
  for (; head < std::min(n, count) && same(head, head); ++head) found[at(head)] = head;
  for (; tail < std::min(n, count) - head && same(n - 1 - tail, count - 1 - tail); ++tail)
    found[at(count - 1 - tail)] = n - 1 - tail;
  const Index rows = n - head - tail, columns = count - head - tail;
  constexpr Index most = 4'000'000;
  if (rows == 0 || columns == 0 || rows > most / columns) return found;
  std::vector<std::int32_t> length(at((rows + 1) * (columns + 1)), 0);  // from there to the ends
  const auto cell = [&](Index i, Index k) -> std::int32_t& {
    return length[at(i * (columns + 1) + k)];
  };
  for (Index i = rows - 1; i >= 0; --i)
    for (Index k = columns - 1; k >= 0; --k)
      cell(i, k) = same(head + i, head + k) ? cell(i + 1, k + 1) + 1
                                            : std::max(cell(i + 1, k), cell(i, k + 1));
  for (Index i = 0, k = 0; i < rows && k < columns;) {
    if (same(head + i, head + k)) {
      found[at(head + k)] = head + i;
      ++i;
      ++k;
    } else {
      ++(cell(i + 1, k) >= cell(i, k + 1) ? i : k);
    }
  }
  return found;
}

}  // namespace

Alignment align(const Recorded& r, const Loop& loop) {
  // The variants of most iterations first, so that others are told by how they differ from them.
  std::vector<Index> order(loop.variants.size());
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
    return loop.variants[at(a)].iterations.size() > loop.variants[at(b)].iterations.size();
  });
  Alignment made;
  made.entry_of.resize(loop.variants.size());
  for (const Index v : order) {
    const auto& variant = loop.variants[at(v)];
    const auto count = static_cast<Index>(variant.operations.size());
    std::vector<Index> found = matches(r, made.entries, variant.example, count);
    const auto common = static_cast<Index>(
        std::count_if(found.begin(), found.end(), [](Index e) { return e >= 0; }));
    // What has little in common is another thing, and matches are by chance.
    if (2 * common < std::min<Index>(count, static_cast<Index>(made.entries.size())))
      std::fill(found.begin(), found.end(), -1);
    // Both lists are merged; entries of earlier variants may move.
    std::vector<Alignment::Entry> merged;
    std::vector<Index> moved(made.entries.size()), own(at(count));
    Index next = 0;
    const auto keep_until = [&](Index end) {
      for (; next < end; ++next) {
        moved[at(next)] = static_cast<Index>(merged.size());
        merged.push_back(std::move(made.entries[at(next)]));
      }
    };
    for (Index k = 0; k < count; ++k) {
      if (found[at(k)] >= 0) {
        keep_until(found[at(k)] + 1);
      } else {
        merged.push_back({.example = variant.example + k, .variants = {}});
      }
      own[at(k)] = static_cast<Index>(merged.size()) - 1;
      merged.back().variants.push_back(v);
    }
    keep_until(static_cast<Index>(made.entries.size()));
    for (auto& entries : made.entry_of)
      for (Index& e : entries) e = moved[at(e)];
    made.entry_of[at(v)] = std::move(own);
    made.entries = std::move(merged);
  }
  for (auto& entry : made.entries) std::sort(entry.variants.begin(), entry.variants.end());
  return made;
}

}  // namespace unroll::graph::detail
