// expect: needed where(a > b, x, y)
#include <unroll/autograd/simd/kernel.h>

using namespace unroll;

constexpr auto inside = [](auto x) {
#ifdef UNROLL_GOOD
  return where((x > 0) & (x < 1), x, 0);
#else
  return where(x > 0 && x < 1, x, 0);
#endif
};

const auto& table = simd::pointwise_table<decltype(inside)>();
