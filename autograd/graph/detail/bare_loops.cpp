#include <unroll/autograd/graph/detail/body.h>
#include <unroll/autograd/graph/detail/loops.h>
#include <unroll/autograd/graph/detail/repeats.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <span>

namespace unroll::graph::detail {
namespace {

// Repeated operations can be cut into iterations anywhere: best where the fewest values go from
// one iteration to the next, which are the states. Looks at the second iteration.
Index best_shift(const Letters& letters, Index begin, const Repeat& repeat) {
  const Index from = begin + repeat.period;
  std::vector<Index> change(at(2 * repeat.period + 1));
  std::vector<std::vector<Index>> last_reader(at(2 * repeat.period));
  for (Index n = from; n < from + 2 * repeat.period; ++n)
    for (const Index v : letters.node(n).inputs) {
      if (v < 0 || letters.origin(v) < begin) continue;
      const Index origin = letters.origin(v) - begin;
      if (origin >= 2 * repeat.period) continue;
      std::vector<Index>& readers = last_reader[at(origin)];
      readers.resize(std::max(readers.size(), at(letters.output(v) + 1)), -1);
      readers[at(letters.output(v))] = n - begin;
    }
  // Cuts behind the maker, up to the last reader; counted from `from`.
  for (Index origin = 0; origin < 2 * repeat.period; ++origin)
    for (const Index reader : last_reader[at(origin)]) {
      const Index first = std::max<Index>(origin + 1 - repeat.period, 0);
      const Index end = reader + 1 - repeat.period;
      if (reader < 0 || first >= end) continue;
      ++change[at(first)];
      --change[at(std::min(end, 2 * repeat.period))];
    }
  Index crossing = 0;
  Index least = -1;
  Index shift = 0;
  for (Index k = 0; k <= repeat.slack; ++k) {
    crossing += change[at(k)];
    if (least >= 0 && crossing >= least) continue;
    least = crossing;
    shift = k;
  }
  return shift;
}

constexpr int deepest = 2;  // branches in iterations of loops with branches; keeps it linear

// The same operations `count` times.
struct Draft {
  Index begin = 0;
  Index period = 0;
  Index count = 0;
};

class Drafting {
 public:
  explicit Drafting(const Letters& letters) : letters_(letters) {}

  std::vector<Iterations> loops(Stretch stretch, Index longest, int level) const {
    return with_branches(stretch, drafts(stretch, longest, level));
  }

 private:
  std::vector<Draft> drafts(Stretch stretch, Index longest, int level) const {
    const std::span<const Index> all = letters_.of_nodes();
    std::vector<Draft> made;
    for (const Repeat& repeat :
         repeats(all.subspan(at(stretch.begin), at(stretch.end - stretch.begin)), longest)) {
      const Index begin = stretch.begin + repeat.begin;
      // A loop with a branch repeats as a whole where the branch does, and has a shorter body. What
      // repeats within a period is seen in three of them.
      const Index period = repeat.period;
      const Stretch three{begin, begin + 3 * period};
      const Stretch whole{begin, begin + repeat.count * period};
      if (period > 3 && level < deepest && written(three, period - 1, level + 1) < period &&
          written(whole, period - 1, level + 1) < period)
        std::ranges::copy(drafts(whole, period - 1, level + 1), std::back_inserter(made));
      else
        made.push_back({begin + best_shift(letters_, begin, repeat), period, repeat.count});
    }
    return made;
  }

  // Operations that are left when loops of short iterations are written once.
  Index written(Stretch stretch, Index longest, int level) const {
    Index nodes = stretch.end - stretch.begin;
    for (const Iterations& loop : loops(stretch, longest, level)) {
      nodes -= loop.end - loop.starts.front();
      std::vector<bool> known(at(loop.variants));
      for (Index i = 0; i < loop.count(); ++i) {
        if (!known[at(loop.variant[at(i)])]) nodes += loop[i].end - loop[i].begin;
        known[at(loop.variant[at(i)])] = true;
      }
    }
    return nodes;
  }

  // Each takes in what is before and behind it with a branch, and later drafts of the same, but
  // none of a longer period.
  std::vector<Iterations> with_branches(Stretch stretch, std::vector<Draft> drafts) const {
    std::vector<Iterations> made;
    std::vector<Index> limits(drafts.size());
    std::vector<std::size_t> longer;  // from the next to the last, ever longer
    for (std::size_t d = drafts.size(); d-- > 0;) {
      while (!longer.empty() && drafts[longer.back()].period <= drafts[d].period) longer.pop_back();
      limits[d] = longer.empty() ? stretch.end : drafts[longer.back()].begin;
      longer.push_back(d);
    }
    Index free = stretch.begin;
    for (std::size_t d = 0; d < drafts.size(); ++d) {
      Draft& draft = drafts[d];
      for (; draft.begin < free; --draft.count) draft.begin += draft.period;
      if (draft.count < 3) continue;
      Iterations& loop = made.emplace_back(with_branches(draft, free, limits[d]));
      group(letters_, loop);
      free = loop.end;
    }
    return made;
  }

  Iterations with_branches(const Draft& draft, Index begin, Index end) const {
    const Body body(letters_, draft.begin, draft.period);
    Iterations loop;
    Stretch first{draft.begin, draft.begin + draft.period};
    for (Index i = body.previous(first, begin); i >= 0; i = body.previous(first, begin)) {
      first = {i, first.begin};
      loop.starts.push_back(i);
    }
    std::ranges::reverse(loop.starts);
    for (Index i = 0; i < draft.count; ++i) loop.starts.push_back(draft.begin + i * draft.period);
    loop.end = draft.begin + draft.count * draft.period;
    for (Index i = body.next({loop.starts.back(), loop.end}, end); i >= 0;
         i = body.next({loop.starts.back(), loop.end}, end)) {
      loop.starts.push_back(loop.end);
      loop.end = i;
    }
    return loop;
  }

  const Letters& letters_;
};

}  // namespace

std::vector<Iterations> bare_loops(const Letters& letters, Stretch stretch) {
  return Drafting(letters).loops(stretch, std::numeric_limits<Index>::max(), 0);
}

}  // namespace unroll::graph::detail
