#pragma once

#include <unroll/autograd/index.h>

#include <memory>
#include <type_traits>

// All parallelism of the library goes through here. Work is cut into tasks by fixed sizes, never by
// the number of threads, so that results are the same bits on any number.
namespace unroll {

// Limits the threads that the library uses from now on, in the whole process; 0 takes the limit
// off.
void set_threads(Index count);
Index threads();

namespace detail {

using RangeBody = void (*)(void* context, Index begin, Index end);
void parallel_ranges(Index count, Index grain, RangeBody body, void* context);

// Calls body(begin, end) for every `grain` of 0 … count - 1, on any threads, and waits. Runs
// isolated: a waiting thread takes no task of anybody else's. The first exception by position is
// rethrown.
template <class Body>
void parallel_for(Index count, Index grain, Body&& body) {
  if (count <= grain) {
    if (count > 0) body(Index{0}, count);
    return;
  }
  using B = std::remove_reference_t<Body>;
  parallel_ranges(
      count, grain,
      [](void* context, Index begin, Index end) { (*static_cast<B*>(context))(begin, end); },
      const_cast<std::remove_const_t<B>*>(std::addressof(body)));
}

}  // namespace detail
}  // namespace unroll
