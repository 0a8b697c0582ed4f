#pragma once

#include <unroll/autograd/detail/header.h>
#include <unroll/autograd/pool.h>

namespace unroll::detail {

// A block of memory that is kept for the gradient: who it is, and whether the tape still holds it.
struct SavedBlock {
  std::uint64_t id = 0;  // odd
  Index bytes = 0;       // 0: none, or a parameter's
  bool held = false;
};

// Blocks lie at multiples of 64: eight bits for the class, and a last one that no address has.
inline std::uint64_t mark_of(const Header& block) {
  return std::uint64_t{reinterpret_cast<std::uintptr_t>(&block)} << 3 |
         std::uint64_t{block.block_class} << 1 | 1U;
}

// From its mark, which tells the bytes even when the block is gone.
inline SavedBlock marked_block(std::uint64_t mark, bool held) {
  const auto block_class = static_cast<std::uint8_t>(mark >> 1 & 0xffU);
  return {.id = mark, .bytes = static_cast<Index>(pool_class_bytes(block_class)), .held = held};
}

// The block that a tensor lies in.
inline SavedBlock block_of(const Header& x) {
  return x.block()->is(Header::leaf) ? SavedBlock{} : marked_block(mark_of(*x.block()), true);
}

}  // namespace unroll::detail
