// The first program of the documentation.
#include <unroll/unroll.h>

#include <iostream>
#include <sstream>

#include <boost/test/unit_test.hpp>

namespace {

int first_gradient() {
  using namespace unroll;
  Tape tape;
  Tensor x = tape.watch(tensor({1.0, 2.0, 3.0}));
  Tensor y = sum(x * x * x);
  std::cout << y.item() << '\n'              // 36
            << tape.gradient(y, x) << '\n';  // f32 [3]  3 12 27
  return 0;
}

struct Captured {
  Captured() : before(std::cout.rdbuf(text.rdbuf())) {}
  ~Captured() { std::cout.rdbuf(before); }
  Captured(const Captured&) = delete;
  Captured& operator=(const Captured&) = delete;
  std::ostringstream text;
  std::streambuf* before;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(usage_first)

BOOST_AUTO_TEST_CASE(first_gradient_prints) {
  const Captured out;
  first_gradient();
  BOOST_TEST(out.text.str() == "36\nf32 [3]  3 12 27\n");
}

BOOST_AUTO_TEST_CASE(two_gradients_bind) {
  using namespace unroll;
  Tape tape;
  Tensor x = tape.watch(tensor({1.0, 2.0}));
  Tensor w = tape.watch(tensor({3.0, 4.0}));
  Tensor y = sum(x * w);
  auto [gx, gw] = tape.gradient(y, {x, w});
  BOOST_TEST(all_equal(gx, w));
  BOOST_TEST(all_equal(gw, x));
}

BOOST_AUTO_TEST_SUITE_END()
