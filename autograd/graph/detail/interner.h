#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace unroll::graph::detail {

// Gives sequences of numbers a number each: the same for equal ones, another for any other, in order
// of appearance from 0. Keys are kept and compared, so that no two are ever taken for one.
class Interner {
 public:
  std::uint32_t operator()(std::span<const std::uint32_t> key) {
    if (2 * (starts_.size() + 1) > table_.size()) grow();
    const std::uint64_t hash = hash_of(key);
    std::size_t slot = hash & (table_.size() - 1);
    const auto part = static_cast<std::uint32_t>(hash >> 32U);
    for (; table_[slot].number != none; slot = (slot + 1) & (table_.size() - 1))
      if (table_[slot].hash == part && std::ranges::equal(this->key(table_[slot].number), key))
        return table_[slot].number;
    const auto number = static_cast<std::uint32_t>(starts_.size());
    table_[slot] = {number, part};
    starts_.push_back(words_.size());
    words_.insert(words_.end(), key.begin(), key.end());
    return number;
  }

  std::span<const std::uint32_t> key(std::uint32_t number) const {
    const std::size_t begin = starts_[number];
    const std::size_t end = number + 1U < starts_.size() ? starts_[number + 1U] : words_.size();
    return std::span(words_).subspan(begin, end - begin);
  }
  std::size_t size() const { return starts_.size(); }

 private:
  static constexpr std::uint32_t none = 0xffffffffU;

  struct Slot {
    std::uint32_t number = none;
    std::uint32_t hash = 0;  // the upper half, which does not choose the slot
  };

  static std::uint64_t hash_of(std::span<const std::uint32_t> key) {
    std::uint64_t h = 0x9e3779b97f4a7c15U ^ key.size();
    for (const std::uint32_t word : key) {
      h = (h ^ word) * 0xff51afd7ed558ccdU;
      h ^= h >> 32U;
    }
    return h;
  }

  void grow() {
    table_.assign(std::max<std::size_t>(64, 4 * table_.size()), {});
    for (std::uint32_t number = 0; number < starts_.size(); ++number) {
      const std::uint64_t hash = hash_of(key(number));
      std::size_t slot = hash & (table_.size() - 1);
      while (table_[slot].number != none) slot = (slot + 1) & (table_.size() - 1);
      table_[slot] = {number, static_cast<std::uint32_t>(hash >> 32U)};
    }
  }

  std::vector<Slot> table_;          // open addressing
  std::vector<std::size_t> starts_;  // of each key in words_
  std::vector<std::uint32_t> words_;
};

}  // namespace unroll::graph::detail
