#pragma once

#include <unroll/autograd/index.h>

#include <cstddef>
#include <cstdint>

namespace unroll {

// Memory of tensors and tapes. Blocks are taken from the system once and used again, so a steady
// training loop allocates nothing.
struct MemoryStats {
  Index live_bytes = 0;      // in blocks that are in use now
  Index peak_bytes = 0;      // most of them at once since the last reset, to 64 KiB for each thread
  Index reserved_bytes = 0;  // taken from the system so far
  Index system_allocations = 0;  // how often the system was asked
};
MemoryStats memory_stats();
// The peak starts anew from what is in use now.
void reset_peak_bytes();

namespace detail {

// What this thread took less what it gave back.
Index live_bytes_of_thread();

// Blocks come in size classes, 64-byte aligned: multiples of 64 bytes up to 1 KiB, then four steps
// for each power of two.
std::uint8_t pool_class(std::size_t bytes);
std::size_t pool_class_bytes(std::uint8_t block_class);
std::byte* pool_take(std::uint8_t block_class);
void pool_give(std::byte* block, std::uint8_t block_class) noexcept;

}  // namespace detail
}  // namespace unroll
