// expect: [pointwise] a comparison of packets has no single truth value
#include <unroll/autograd/simd/kernel.h>

constexpr auto relu6 = [](auto x) {
  auto y = where(x > 0, x, 0);
#ifdef UNROLL_GOOD
  return where(x < 6, y, 6);
#else
  if (x > 0) y = where(x < 6, y, 6);
  return y;
#endif
};

const auto& table = unroll::simd::pointwise_table<decltype(relu6)>();
