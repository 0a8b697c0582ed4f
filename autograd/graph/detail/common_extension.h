#pragma once

#include <unroll/autograd/index.h>

#include <cstdint>
#include <span>
#include <vector>

namespace unroll::graph::detail {

// How far two places of a sequence have the same letters: from them on, and before them. By hashes
// of prefixes; what is asked for neighbouring places is remembered.
class CommonExtension {
 public:
  explicit CommonExtension(std::span<const Index> letters);

  Index size() const { return std::ssize(letters_); }
  Index operator[](Index i) const { return letters_[static_cast<std::size_t>(i)]; }
  // a < b <= size(): how many letters from b on are those from a on.
  Index right(Index a, Index b);
  // How many letters before b are those before a.
  Index left(Index a, Index b) const;

 private:
  // letters[i] == letters[i + distance] for begin <= i < end, and not for i == end.
  struct Known {
    Index distance = 0;
    Index begin = 0;
    Index end = 0;
  };
  std::uint64_t hash(Index begin, Index end) const;
  bool same(Index a, Index b, Index letters) const {
    return hash(a, a + letters) == hash(b, b + letters);
  }
  Index searched(Index a, Index b) const;

  std::span<const Index> letters_;
  std::vector<std::uint64_t> prefixes_;
  std::vector<std::uint64_t> powers_;
  std::vector<Known> known_;
};

}  // namespace unroll::graph::detail
