// Products take numbers below the least normal one for 0, and leave the thread's mode as it was.
#include <unroll/autograd/detail/flush_denormals.h>

#include <limits>

#include <boost/test/unit_test.hpp>

#include "support/numeric.h"

namespace unroll::test {
namespace {

template <class T>
T halved(T x) {
  volatile T y = x;
  y = y / 2;
  return y;
}

template <class T>
void check_products(DType dtype) {
  const T tiny = std::numeric_limits<T>::min() / 4;
  for (const Index n : {1, 3, 40}) {
    const Tensor small = full({n, n}, static_cast<double>(tiny), dtype);
    for (const double v : values(matmul(small, full({n, n}, 2, dtype)))) BOOST_TEST(v == 0.0);
    // The least normal number counts.
    const Tensor least = full({1, 1}, static_cast<double>(std::numeric_limits<T>::min()), dtype);
    BOOST_TEST(matmul(least, full({1, n}, 1, dtype)).shape() == (Shape{1, n}));
    for (const double v : values(matmul(least, full({1, n}, 1, dtype))))
      BOOST_TEST(v == static_cast<double>(std::numeric_limits<T>::min()));
  }
  BOOST_TEST(halved(std::numeric_limits<T>::min()) > T(0));
  // Elsewhere they are numbers like others.
  const Tensor small = full({5}, static_cast<double>(tiny), dtype);
  for (const double v : values(small * 2.0)) BOOST_TEST(v == static_cast<double>(2 * tiny));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(flush_denormals)

#if defined(__SSE2__)
BOOST_AUTO_TEST_CASE(in_products_and_nowhere_else) {
  check_products<float>(f32);
  check_products<double>(f64);
}

BOOST_AUTO_TEST_CASE(the_mode_is_put_back) {
  constexpr unsigned both = 0x8040;
  const unsigned before = _mm_getcsr();
  for (const unsigned mode : {0U, 0x8000U, 0x40U, both}) {
    _mm_setcsr((before & ~both) | mode);
    {
      const detail::FlushDenormals flush;
      BOOST_TEST((_mm_getcsr() & both) == both);
      const detail::FlushDenormals again;
      BOOST_TEST((_mm_getcsr() & both) == both);
    }
    const unsigned after_scope = _mm_getcsr();
    static_cast<void>(matmul(ones({4, 4}), ones({4, 4})));
    const unsigned after_product = _mm_getcsr();
    _mm_setcsr(before);
    BOOST_TEST((after_scope & both) == mode);
    BOOST_TEST((after_product & both) == mode);
  }
}
#endif

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
