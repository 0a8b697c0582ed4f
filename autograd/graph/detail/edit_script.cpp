#include <unroll/autograd/graph/detail/edit_script.h>

#include <algorithm>
#include <unordered_map>

namespace unroll::graph::detail {
namespace {

using Letters = std::vector<std::uint32_t>;

// Letters [a, a_end) against [b, b_end).
struct Part {
  Index a = 0, a_end = 0, b = 0, b_end = 0;
  int anchored = 0;  // how often parts were cut at anchors to come to this one

  Index size() const { return a_end - a + b_end - b; }
};

class Aligner {
 public:
  Aligner(const Letters& a, const Letters& b, const EditOptions& options)
      : a_(a), b_(b), options_(options), match_(a.size(), -1) {}

  std::vector<Index> run() {
    parts_ = {{0, static_cast<Index>(a_.size()), 0, static_cast<Index>(b_.size())}};
    while (!parts_.empty()) {
      Part part = parts_.back();
      parts_.pop_back();
      align(part);
    }
    return std::move(match_);
  }

 private:
  bool same(Index x, Index y) const {
    return a_[static_cast<std::size_t>(x)] == b_[static_cast<std::size_t>(y)];
  }
  void keep(Index x, Index y) { match_[static_cast<std::size_t>(x)] = y; }

  void align(Part& part) {
    for (; part.a < part.a_end && part.b < part.b_end && same(part.a, part.b); ++part.a, ++part.b)
      keep(part.a, part.b);
    for (; part.a < part.a_end && part.b < part.b_end && same(part.a_end - 1, part.b_end - 1);) {
      --part.a_end;
      --part.b_end;
      keep(part.a_end, part.b_end);
    }
    if (part.a == part.a_end || part.b == part.b_end) return;
    // A fixed amount once, and so much for each letter: linear altogether.
    const Index once = part.anchored == 0 ? options_.longest * options_.longest : 0;
    const Index work = once + 256 * part.size();
    if (advance(part, options_.longest, work)) return;
    constexpr int most_anchored = 4;
    if (part.anchored < most_anchored && cut_at_anchors(part)) return;
    while (!advance(part, options_.chunk, -1) && part.a < part.a_end && part.b < part.b_end) {
    }
  }

  Index& reached(Index edits, Index diagonal) {
    return reached_[static_cast<std::size_t>(edits * (edits + 1) / 2 + (diagonal + edits) / 2)];
  }

  // How far in a one gets on a diagonal (of a minus of b) with so many edits, before equal letters
  // are followed; -1: not at all. `inserted` tells by which edit.
  Index step(const Part& p, Index edits, Index diagonal, bool& inserted) {
    Index best = -1;
    if (diagonal < edits)
      if (const Index x = reached(edits - 1, diagonal + 1);
          x >= 0 && x - diagonal <= p.b_end - p.b) {
        best = x;
        inserted = true;
      }
    if (diagonal > -edits)
      if (const Index x = reached(edits - 1, diagonal - 1);
          x >= 0 && x < p.a_end - p.a && x + 1 > best) {
        best = x + 1;
        inserted = false;
      }
    return best;
  }

  // Looks for the shortest edit of at most `longest` edits and takes it. Where there is none, or
  // more letters are compared than `work`, returns false; without a limit of work the part goes on
  // behind the edits that lead farthest.
  bool advance(Part& p, Index longest, Index work) {
    const Index n = p.a_end - p.a, m = p.b_end - p.b;
    const bool limited = work >= 0;
    reached_.clear();
    Index edits = 0, farthest = 0;
    for (;; ++edits) {
      reached_.resize(static_cast<std::size_t>((edits + 1) * (edits + 2) / 2), -1);
      farthest = -edits;
      for (Index k = -edits; k <= edits; k += 2) {
        bool inserted = false;
        Index x = edits == 0 ? 0 : step(p, edits, k, inserted);
        if (x < 0) continue;
        const Index begin = x;
        while (x < n && x - k < m && same(p.a + x, p.b + x - k)) ++x;
        work -= x - begin + 1;
        reached(edits, k) = x;
        if (x == n && x - k == m) {
          take(p, edits, k);
          return true;
        }
        const Index before = reached(edits, farthest);
        if (before < 0 || 2 * x - k > 2 * before - farthest) farthest = k;
      }
      if (limited && work < 0) return false;
      if (edits == longest) break;
    }
    if (limited) return false;
    const Index x = reached(edits, farthest);
    take(p, edits, farthest);
    p.a += x;
    p.b += x - farthest;
    return false;
  }

  // Keeps the equal letters on the way to where `edits` edits lead on a diagonal.
  void take(const Part& p, Index edits, Index diagonal) {
    for (;; --edits) {
      Index x = reached(edits, diagonal);
      bool inserted = false;
      const Index begin = edits == 0 ? 0 : step(p, edits, diagonal, inserted);
      while (x > begin) {
        --x;
        keep(p.a + x, p.b + x - diagonal);
      }
      if (edits == 0) return;
      diagonal += inserted ? 1 : -1;
    }
  }

  // Letters that either side of the part has once, in an order that both agree on; the parts
  // between are for later. False: there are none.
  bool cut_at_anchors(const Part& p) {
    struct Seen {
      Index in_a = -1, in_b = -1;
      int times_in_a = 0, times_in_b = 0;
    };
    std::unordered_map<std::uint32_t, Seen> seen;
    for (Index x = p.a; x < p.a_end; ++x) {
      Seen& s = seen[a_[static_cast<std::size_t>(x)]];
      s.in_a = x;
      ++s.times_in_a;
    }
    for (Index y = p.b; y < p.b_end; ++y) {
      Seen& s = seen[b_[static_cast<std::size_t>(y)]];
      s.in_b = y;
      ++s.times_in_b;
    }
    std::vector<std::pair<Index, Index>> once;
    for (Index x = p.a; x < p.a_end; ++x) {
      const Seen& s = seen[a_[static_cast<std::size_t>(x)]];
      if (s.times_in_a == 1 && s.times_in_b == 1) once.emplace_back(x, s.in_b);
    }
    // The longest ascending subsequence in b, by patience: piles' tops and who lies below whom.
    std::vector<std::size_t> tops, below(once.size());
    for (std::size_t i = 0; i < once.size(); ++i) {
      const auto pile = std::ranges::lower_bound(tops, once[i].second, {},
                                                 [&](std::size_t top) { return once[top].second; });
      below[i] = pile == tops.begin() ? once.size() : *(pile - 1);
      if (pile == tops.end())
        tops.push_back(i);
      else
        *pile = i;
    }
    if (tops.empty()) return false;
    Index a_end = p.a_end, b_end = p.b_end;
    for (std::size_t i = tops.back(); i < once.size(); i = below[i]) {
      const auto [x, y] = once[i];
      keep(x, y);
      parts_.push_back({x + 1, a_end, y + 1, b_end, p.anchored + 1});
      a_end = x;
      b_end = y;
    }
    parts_.push_back({p.a, a_end, p.b, b_end, p.anchored + 1});
    return true;
  }

  const Letters& a_;
  const Letters& b_;
  EditOptions options_;
  std::vector<Index> match_;
  std::vector<Part> parts_;
  std::vector<Index> reached_;  // row `edits` has the diagonals -edits, -edits + 2, …, edits
};

}  // namespace

std::vector<Index> edit_script(const std::vector<std::uint32_t>& a,
                               const std::vector<std::uint32_t>& b, const EditOptions& options) {
  return Aligner(a, b, options).run();
}

}  // namespace unroll::graph::detail
