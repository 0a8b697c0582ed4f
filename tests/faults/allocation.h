#pragma once

#include <functional>

#include <boost/test/unit_test.hpp>

// Allocations that fail: of pool blocks, of the system's memory below the pool, and of standard
// containers. Only this executable is linked so; the library knows nothing of it.
namespace unroll::test {

// Until the end of the block, the k-th allocation of this thread from now on throws (k from 1).
class FailingAllocation {
 public:
  explicit FailingAllocation(long k);
  ~FailingAllocation();
  FailingAllocation(const FailingAllocation&) = delete;
  FailingAllocation& operator=(const FailingAllocation&) = delete;

  static bool has_failed();
};

struct Attempt {
  bool failed = false;  // there was a k-th allocation
  bool threw = false;
};
// Calls `attempt` with the k-th allocation failing. What is thrown must be std::bad_alloc.
inline Attempt at_allocation(long k, const std::function<void()>& attempt) {
  Attempt a;
  {
    const FailingAllocation armed(k);
    try {
      attempt();
    } catch (const std::bad_alloc&) {
      a.threw = true;
    }
    a.failed = FailingAllocation::has_failed();
  }
  BOOST_TEST((a.failed || !a.threw));
  return a;
}

// Calls `attempt` with the first, second, … allocation failing until one call needs fewer; after
// each of these, `check` with k if it threw and with 0 if not. Returns how many failed.
inline long at_every_allocation(const std::function<void()>& attempt,
                                const std::function<void(long)>& check) {
  for (long k = 1;; ++k) {
    const Attempt a = at_allocation(k, attempt);
    if (!a.failed) return k - 1;
    check(a.threw ? k : 0);
  }
}

}  // namespace unroll::test
