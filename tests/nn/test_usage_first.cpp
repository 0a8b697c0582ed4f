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

// What a program prints to std::cout.
template <class Program>
std::string printed_by(const Program& program) {
  struct Redirected {
    std::ostringstream text = {};
    std::streambuf* before = std::cout.rdbuf(text.rdbuf());
    ~Redirected() { std::cout.rdbuf(before); }
  } out;
  program();
  return out.text.str();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(usage_first)

BOOST_AUTO_TEST_CASE(first_gradient_prints) {
  BOOST_TEST(printed_by(first_gradient) == "36\nf32 [3]  3 12 27\n");
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
