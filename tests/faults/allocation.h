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

// Calls `attempt` with the first, second, … allocation failing until one call needs fewer; after
// each that threw, `check`. Returns how many failed. What is thrown must be std::bad_alloc.
inline long at_every_allocation(const std::function<void()>& attempt,
                                const std::function<void(long)>& check) {
  for (long k = 1;; ++k) {
    bool threw = false;
    bool failed = false;
    {
      const FailingAllocation armed(k);
      try {
        attempt();
      } catch (const std::bad_alloc&) {
        threw = true;
      }
      failed = FailingAllocation::has_failed();
    }
    if (!failed) {
      BOOST_TEST(!threw);
      return k - 1;
    }
    check(threw ? k : 0);
  }
}

}  // namespace unroll::test
