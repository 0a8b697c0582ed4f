// expect: hint: write where in place of if, ?:, && and ||
#include <unroll/autograd/simd/kernel.h>

constexpr auto relu = [](auto x) {
#ifdef UNROLL_GOOD
  return where(x > 0, x, 0);
#else
  return x > 0 ? x : x - x;
#endif
};

const auto& table = unroll::simd::pointwise_table<decltype(relu)>();
