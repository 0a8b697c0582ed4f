// expect: needed a generic lambda
#include <unroll/autograd/simd/kernel.h>

#ifdef UNROLL_GOOD
constexpr auto twice = [](auto x) { return 2 * x; };
#else
constexpr auto twice = [](double x) { return 2 * x; };
#endif

const auto& table = unroll::simd::pointwise_table<decltype(twice)>();
