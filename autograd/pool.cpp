#include <unroll/autograd/pool.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define UNROLL_POOL_OFF 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNROLL_POOL_OFF 1
#endif
#endif
#ifndef UNROLL_POOL_OFF
#define UNROLL_POOL_OFF 0
#endif

namespace unroll {
namespace {

constexpr std::size_t line = 64;
constexpr std::size_t slab_bytes = std::size_t{1} << 20;
constexpr std::size_t own_block_bytes = std::size_t{1} << 16;  // from here on not cut from a slab
constexpr int classes = 224;

// Free blocks of one class. An array of pointers, not links inside the blocks: taking a block must
// not touch it, since it has long left the cache.
struct FreeList {
  std::vector<std::byte*> blocks;
  std::byte* chain = nullptr;  // linked after all, where the array could not grow
};

struct Pool {
  std::array<FreeList, classes> free;
  std::byte* slab = nullptr;
  std::byte* slab_end = nullptr;
  Index untold_bytes = 0;            // of live_bytes, not yet in the depot's
  std::atomic<Index> live_bytes{0};  // written by the owner only; may be negative, the sum is not
};

// What all threads share: the pools themselves, handed on when their thread ends.
struct Depot {
  std::mutex mutex;
  std::vector<Pool*> all;
  std::vector<Pool*> idle;  // has room for all
  Pool shared;              // takes blocks from threads that cannot have a pool; under the mutex
  std::atomic<Index> live_bytes{0};  // of all, some steps behind
  std::atomic<Index> peak_bytes{0};
  std::atomic<Index> reserved_bytes{0};
  std::atomic<Index> system_allocations{0};
};

// Never destroyed: tensors may outlive main.
Depot& depot() {
  static Depot* const instance = new Depot;
  return *instance;
}

Pool* adopt_pool() {
  Depot& d = depot();
  const std::lock_guard lock(d.mutex);
  if (!d.idle.empty()) {
    Pool* pool = d.idle.back();
    d.idle.pop_back();
    return pool;
  }
  d.all.reserve(d.all.size() + 1);
  d.idle.reserve(d.all.size() + 1);
  d.all.push_back(new Pool);
  return d.all.back();
}

constinit thread_local Pool* current_pool = nullptr;

// Hands the pool on at the end of the thread. Whoever frees a tensor later on this thread adopts
// one anew.
struct PoolLease {
  PoolLease() { current_pool = adopt_pool(); }
  ~PoolLease() {
    Depot& d = depot();
    const std::lock_guard lock(d.mutex);
    d.idle.push_back(current_pool);
    current_pool = nullptr;
  }
  PoolLease(const PoolLease&) = delete;
  PoolLease& operator=(const PoolLease&) = delete;
};

[[gnu::noinline]] Pool& start_pool() {
  thread_local PoolLease lease;
  if (current_pool == nullptr) current_pool = adopt_pool();  // after the lease has ended
  return *current_pool;
}

Pool& pool() { return current_pool != nullptr ? *current_pool : start_pool(); }

std::byte* from_system(std::size_t bytes) {
  Depot& d = depot();
  auto* block = static_cast<std::byte*>(std::aligned_alloc(line, bytes));
  if (block == nullptr) throw std::bad_alloc();
  d.reserved_bytes.fetch_add(static_cast<Index>(bytes), std::memory_order_relaxed);
  d.system_allocations.fetch_add(1, std::memory_order_relaxed);
  return block;
}

[[gnu::noinline, maybe_unused]] std::byte* refill(Pool& p, std::size_t bytes) {
  if (bytes >= own_block_bytes) return from_system(bytes);
  if (static_cast<std::size_t>(p.slab_end - p.slab) < bytes) {
    p.slab = from_system(slab_bytes);
    p.slab_end = p.slab + slab_bytes;
  }
  std::byte* block = p.slab;
  p.slab += bytes;
  return block;
}

void link(FreeList& list, std::byte* block) noexcept {
  std::memcpy(block, &list.chain, sizeof list.chain);
  list.chain = block;
}

[[maybe_unused]] std::byte* unlink(FreeList& list) noexcept {
  std::byte* block = list.chain;
  std::memcpy(&list.chain, block, sizeof list.chain);
  return block;
}

[[gnu::noinline, maybe_unused]] void grow_and_push(FreeList& list, std::byte* block) noexcept {
  try {
    list.blocks.push_back(block);
  } catch (const std::bad_alloc&) {
    link(list, block);
  }
}

[[gnu::noinline]] void tell(Pool& p) {
  Depot& d = depot();
  const Index bytes = std::exchange(p.untold_bytes, 0);
  const Index live = d.live_bytes.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  Index peak = d.peak_bytes.load(std::memory_order_relaxed);
  while (live > peak &&
         !d.peak_bytes.compare_exchange_weak(peak, live, std::memory_order_relaxed)) {
  }
}

void count(Pool& p, Index bytes) {
  p.live_bytes.store(p.live_bytes.load(std::memory_order_relaxed) + bytes,
                     std::memory_order_relaxed);
  p.untold_bytes += bytes;
  constexpr Index much = static_cast<Index>(own_block_bytes);
  if (p.untold_bytes >= much || p.untold_bytes <= -much) tell(p);
}

}  // namespace

MemoryStats memory_stats() {
  Depot& d = depot();
  const std::lock_guard lock(d.mutex);
  MemoryStats stats{.reserved_bytes = d.reserved_bytes, .system_allocations = d.system_allocations};
  stats.live_bytes += d.shared.live_bytes.load(std::memory_order_relaxed);
  for (const Pool* p : d.all) stats.live_bytes += p->live_bytes.load(std::memory_order_relaxed);
  stats.peak_bytes = std::max(stats.live_bytes, d.peak_bytes.load(std::memory_order_relaxed));
  return stats;
}

void reset_peak_bytes() {
  Depot& d = depot();
  d.peak_bytes.store(d.live_bytes.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

namespace detail {

Index live_bytes_of_thread() { return pool().live_bytes.load(std::memory_order_relaxed); }

std::uint8_t pool_class(std::size_t bytes) {
  if (bytes > (std::size_t{1} << 46)) throw std::bad_alloc();
  const std::size_t lines = (bytes + line - 1) / line;
  if (lines <= 16) return static_cast<std::uint8_t>(lines);
  const int power = 63 - std::countl_zero(lines - 1);  // 2^power < lines <= 2^(power + 1)
  const std::size_t step = std::size_t{1} << (power - 2);
  const std::size_t steps = (lines + step - 1) / step;  // 5 … 8
  return static_cast<std::uint8_t>(17 + (power - 4) * 4 + static_cast<int>(steps) - 5);
}

std::size_t pool_class_bytes(std::uint8_t block_class) {
  if (block_class <= 16) return std::size_t{block_class} * line;
  const int power = (block_class - 17) / 4 + 4;
  const int steps = (block_class - 17) % 4 + 5;
  return (static_cast<std::size_t>(steps) << (power - 2)) * line;
}

std::byte* pool_take(std::uint8_t block_class) {
  const std::size_t bytes = pool_class_bytes(block_class);
  Pool& p = pool();
  std::byte* block = nullptr;
  if constexpr (UNROLL_POOL_OFF != 0) {
    block = from_system(bytes);
  } else {
    auto& blocks = p.free[block_class].blocks;
    if (blocks.empty()) {
      FreeList& list = p.free[block_class];
      block = list.chain != nullptr ? unlink(list) : refill(p, bytes);
    } else {
      block = blocks.back();
      blocks.pop_back();
    }
  }
  count(p, static_cast<Index>(bytes));
  return block;
}

namespace {

void give(Pool& p, std::byte* block, std::uint8_t block_class) noexcept {
  count(p, -static_cast<Index>(pool_class_bytes(block_class)));
  if constexpr (UNROLL_POOL_OFF != 0) {
    std::free(block);
  } else {
    FreeList& list = p.free[block_class];
    if (list.blocks.size() < list.blocks.capacity())
      list.blocks.push_back(block);
    else
      grow_and_push(list, block);
  }
}

// The first that this thread does with memory is to free some.
[[gnu::noinline]] void give_first(std::byte* block, std::uint8_t block_class) noexcept {
  try {
    give(start_pool(), block, block_class);
  } catch (const std::bad_alloc&) {
    Depot& d = depot();
    const std::lock_guard lock(d.mutex);
    count(d.shared, -static_cast<Index>(pool_class_bytes(block_class)));
    if constexpr (UNROLL_POOL_OFF != 0)
      std::free(block);
    else
      link(d.shared.free[block_class], block);
  }
}

}  // namespace

void pool_give(std::byte* block, std::uint8_t block_class) noexcept {
  if (current_pool != nullptr)
    give(*current_pool, block, block_class);
  else
    give_first(block, block_class);
}

}  // namespace detail
}  // namespace unroll
