#include <unroll/autograd/graph/detail/common_extension.h>
#include <unroll/autograd/graph/detail/repeats.h>

#include <algorithm>
#include <tuple>

namespace unroll::graph::detail {
namespace {

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

// Where the next smaller suffix begins, the letters in their order or the other way round: up to
// there goes the longest Lyndon word.
std::vector<Index> lyndon_ends(CommonExtension& letters, bool ascending) {
  const Index n = letters.size();
  std::vector<Index> ends(at(n));
  for (Index i = n - 1; i >= 0; --i) {
    Index j = i + 1;
    while (j < n) {
      const Index same = letters.right(i, j);
      if (j + same == n || (letters[i + same] > letters[j + same]) == ascending) break;
      j = ends[at(j)];
    }
    ends[at(i)] = j;
  }
  return ends;
}

// What ends with a given letter is best begun where.
struct Start {
  Index saved = -1;  // until there, less where it is
  Index begin = -1;
};

struct Choice {
  Index saved = 0;
  std::ptrdiff_t repetition = -1;  // that ends here; -1: none does
  Index begin = 0;
};

}  // namespace

std::vector<Repetition> repetitions(std::span<const Index> sequence) {
  CommonExtension letters(sequence);
  std::vector<Repetition> found;
  for (const bool ascending : {true, false}) {
    const std::vector<Index> ends = lyndon_ends(letters, ascending);
    for (Index i = letters.size() - 1; i >= 0; --i) {
      const Index period = ends[at(i)] - i;
      if (!found.empty() && found.back().period == period && found.back().begin <= i &&
          i + period <= found.back().end)
        continue;
      const Index end = ends[at(i)] + letters.right(i, ends[at(i)]);
      const Index begin = i - letters.left(i, ends[at(i)]);
      if (end - begin >= 3 * period)
        found.push_back({.begin = begin, .end = end, .period = period});
    }
  }
  const auto key = [](const Repetition& r) { return std::tuple(r.begin, r.period, r.end); };
  std::sort(found.begin(), found.end(),
            [&](const Repetition& a, const Repetition& b) { return key(a) < key(b); });
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::vector<Repeat> repeats(std::span<const Index> letters, Index longest) {
  std::vector<Repetition> all = repetitions(letters);
  std::erase_if(all, [&](const Repetition& r) { return r.period > longest; });
  const Index n = std::ssize(letters);
  std::vector<Choice> best(at(n + 1));  // for so many first letters
  std::vector<std::size_t> active;
  std::vector<std::vector<Start>> starts(all.size());  // of each phase
  std::size_t next = 0;
  for (Index i = 1; i <= n; ++i) {
    best[at(i)].saved = best[at(i - 1)].saved;
    for (; next < all.size() && all[next].begin < i; ++next) {
      active.push_back(next);
      starts[next].resize(at(all[next].period));
    }
    std::erase_if(active, [&](std::size_t r) {
      if (all[r].end >= i) return false;
      starts[r] = {};
      return true;
    });
    for (const std::size_t r : active) {
      const Index begin = i - 3 * all[r].period;
      if (begin < all[r].begin) continue;
      Start& start = starts[r][at((i - all[r].begin) % all[r].period)];
      const Index saved = best[at(begin)].saved - begin;
      if (start.begin < 0 || saved > start.saved) start = {.saved = saved, .begin = begin};
      if (start.saved + i - all[r].period > best[at(i)].saved)
        best[at(i)] = {.saved = start.saved + i - all[r].period,
                       .repetition = static_cast<std::ptrdiff_t>(r),
                       .begin = start.begin};
    }
  }
  std::vector<Repeat> chosen;
  Index free_until = n;  // the first letter of what follows
  for (Index i = n; i > 0;) {
    const Choice& choice = best[at(i)];
    if (choice.repetition < 0) {
      --i;
      continue;
    }
    const Repetition& r = all[at(choice.repetition)];
    Repeat repeat{.begin = choice.begin, .period = r.period};
    repeat.count = (i - choice.begin) / r.period;
    repeat.slack = std::min({r.end - i, free_until - i, r.period - 1});
    const auto first = letters.begin() + choice.begin;
    if (std::equal(first + r.period, letters.begin() + i, first)) chosen.push_back(repeat);
    free_until = choice.begin;
    i = choice.begin;
  }
  std::reverse(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace unroll::graph::detail
