// expect: [pointwise] a function that returns a comparison
#include <unroll/autograd/simd/kernel.h>

constexpr auto is_less = [](auto a, auto b) {
#ifdef UNROLL_GOOD
  return where(a < b, 1.0, 0.0);
#else
  return a < b;
#endif
};

const auto& table = unroll::simd::pointwise_table<decltype(is_less)>();
