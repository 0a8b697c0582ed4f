#include <unroll/autograd/error.h>
#include <unroll/autograd/parallel.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/info.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

namespace unroll {
namespace {

struct Limit {
  std::mutex mutex;
  std::unique_ptr<tbb::global_control> control;
};
Limit& limit() {
  static Limit* const instance = new Limit;
  return *instance;
}

}  // namespace

void set_threads(Index count) {
  if (count < 0)
    fail("set_threads",
         {.given = std::to_string(count) + " threads", .needed = "0 or more", .hint = {}});
  Limit& l = limit();
  const std::lock_guard lock(l.mutex);
  l.control.reset();
  if (count > 0)
    l.control = std::make_unique<tbb::global_control>(tbb::global_control::max_allowed_parallelism,
                                                      static_cast<std::size_t>(count));
}

Index threads() {
  const auto allowed =
      tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism);
  return std::min<Index>(static_cast<Index>(allowed), tbb::this_task_arena::max_concurrency());
}

namespace detail {

void parallel_ranges(Index count, Index grain, RangeBody body, void* context) {
  const Index tasks = (count + grain - 1) / grain;
  if (threads() == 1) {
    for (Index i = 0; i < tasks; ++i) body(context, i * grain, std::min(count, (i + 1) * grain));
    return;
  }
  std::vector<std::exception_ptr> failed(static_cast<std::size_t>(tasks));
  std::vector<unsigned char> begun(failed.size(), 0);
  const auto run = [&](Index i) {
    begun[static_cast<std::size_t>(i)] = 1;
    try {
      body(context, i * grain, std::min(count, (i + 1) * grain));
    } catch (...) {
      failed[static_cast<std::size_t>(i)] = std::current_exception();
    }
  };
  // oneTBB orders the tasks after the call and the return after the tasks; these two say so to the
  // thread sanitizer, which cannot see into it.
  std::atomic<int> before{0};
  std::atomic<int> after{0};
  before.store(1, std::memory_order_release);
  const auto on_all_threads = [&] {
    tbb::parallel_for(
        tbb::blocked_range<Index>(0, tasks, 1),
        [&](const tbb::blocked_range<Index>& range) {
          static_cast<void>(before.load(std::memory_order_acquire));
          for (Index i = range.begin(); i != range.end(); ++i) run(i);
          after.fetch_add(1, std::memory_order_release);
        },
        tbb::simple_partitioner());
  };
  try {
    tbb::this_task_arena::isolate(on_all_threads);
  } catch (...) {
    // No memory for another task. What is half done cannot be taken back: the rest is done here.
    for (Index i = 0; i < tasks; ++i)
      if (begun[static_cast<std::size_t>(i)] == 0) run(i);
  }
  static_cast<void>(after.load(std::memory_order_acquire));
  for (const std::exception_ptr& e : failed)
    if (e != nullptr) std::rethrow_exception(e);
}

}  // namespace detail
}  // namespace unroll
