#include <unroll/autograd/graph/detail/loops.h>

#include <algorithm>
#include <unordered_map>

namespace unroll::graph::detail {

void group(const Letters& letters, Iterations& loop) {
  std::unordered_multimap<std::uint64_t, Index> known;
  std::vector<Stretch> examples;
  loop.variant.clear();
  for (Index i = 0; i < loop.count(); ++i) {
    const Stretch iteration = loop[i];
    const Index nodes = iteration.end - iteration.begin;
    const std::uint64_t hash = letters.hash(iteration);
    Index variant = -1;
    const auto [from, to] = known.equal_range(hash);
    for (auto k = from; k != to && variant < 0; ++k) {
      const Stretch example = examples[at(k->second)];
      if (example.end - example.begin == nodes &&
          letters.same(example.begin, iteration.begin, nodes))
        variant = k->second;
    }
    if (variant < 0) {
      variant = std::ssize(examples);
      known.emplace(hash, variant);
      examples.push_back(iteration);
    }
    loop.variant.push_back(variant);
  }
  loop.variants = std::ssize(examples);
}

namespace {

// What the first iteration alone does before, and the last alone after what their neighbours do, is
// no part of the loop.
void peel(const Letters& letters, Iterations& loop) {
  const Index last = loop.count() - 1;
  const auto alone = [&](Index i) {
    return std::count(loop.variant.begin(), loop.variant.end(), loop.variant[at(i)]) == 1;
  };
  bool changed = false;
  const Stretch first = loop[0];
  const Stretch second = loop[1];
  const Index of_second = second.end - second.begin;
  if (first.end - first.begin > of_second && alone(0) &&
      letters.same(first.end - of_second, second.begin, of_second)) {
    loop.starts[0] = first.end - of_second;
    changed = true;
  }
  const Stretch end = loop[last];
  const Stretch before = loop[last - 1];
  const Index of_before = before.end - before.begin;
  if (end.end - end.begin > of_before && alone(last) &&
      letters.same(end.begin, before.begin, of_before)) {
    loop.end = end.begin + of_before;
    changed = true;
  }
  if (changed) group(letters, loop);
}

}  // namespace

std::vector<Iterations> find_loops(const Letters& letters) {
  std::vector<Iterations> labelled = labelled_loops(letters);
  std::erase_if(labelled, [&](Iterations& loop) {
    if (loop.count() < 2) return true;
    group(letters, loop);
    peel(letters, loop);
    return loop.count() == 2 && loop.variants == 2;
  });
  std::vector<Iterations> all;
  Index node = 0;
  const auto add_bare = [&](Index end) {
    for (Iterations& loop : bare_loops(letters, {node, end}))
      if (loop.variants < loop.count()) all.push_back(std::move(loop));
  };
  for (Iterations& loop : labelled) {
    add_bare(loop.starts.front());
    node = loop.end;
    all.push_back(std::move(loop));
  }
  add_bare(std::ssize(letters.of_nodes()));
  return all;
}

}  // namespace unroll::graph::detail
