// expect: [pointwise] more than 8 results
#include <unroll/autograd/simd/kernel.h>

constexpr auto many = [](auto x) {
#ifdef UNROLL_GOOD
  return std::tuple{x, x, x, x, x, x, x, x};
#else
  return std::tuple{x, x, x, x, x, x, x, x, x};
#endif
};

const auto& table = unroll::simd::pointwise_table<decltype(many)>();
