#include <unroll/autograd/shape.h>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"

namespace unroll::test {

BOOST_AUTO_TEST_SUITE(shape)

BOOST_AUTO_TEST_CASE(extents_and_axes) {
  const Shape s{2, 3, 4};
  BOOST_TEST(s.rank() == 3);
  BOOST_TEST(s.size() == 24);
  BOOST_TEST(s[0] == 2);
  BOOST_TEST(s[-1] == 4);
  BOOST_TEST(Shape{}.size() == 1);
  BOOST_TEST((Shape{3, 0}.size()) == 0);
  BOOST_TEST(to_string(s) == "[2, 3, 4]");
  BOOST_TEST(to_string(Shape{}) == "[]");
  BOOST_TEST(s.with(1, 7) == (Shape{2, 7, 4}));
  BOOST_TEST(s.without(-1) == (Shape{2, 3}));
  BOOST_TEST(s.inserted(0, 9) == (Shape{9, 2, 3, 4}));
  BOOST_TEST(s.inserted(3, 9) == (Shape{2, 3, 4, 9}));
  BOOST_TEST(s != (Shape{2, 3}));
  BOOST_TEST((Shape{2, 3, 4}.without(0)) == (Shape{3, 4}));
}

BOOST_AUTO_TEST_CASE(what_is_refused) {
  BOOST_TEST(error_text([] {
               static_cast<void>(Shape{2, 3}[2]);
             }) == "[shape] axis 2 of a tensor of rank 2; needed -2 … 1");
  BOOST_TEST(error_text([] { static_cast<void>(Shape{}[0]); }) ==
             "[shape] axis 0 of a tensor of rank 0; needed a tensor with axes");
  BOOST_CHECK_THROW((Shape{1, -1}), Error);
  BOOST_CHECK_THROW((Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), Error);
  BOOST_CHECK_THROW(static_cast<void>(Shape({1, 1, 1, 1, 1, 1, 1, 1}).inserted(0, 1)), Error);
  BOOST_CHECK_THROW(static_cast<void>(Shape({Index{1} << 40, Index{1} << 40}).size()), Error);
}

BOOST_AUTO_TEST_CASE(broadcasting) {
  const auto both = [](const Shape& a, const Shape& b) {
    Shape one, other;
    const bool fits = broadcast(a, b, one);
    BOOST_TEST(broadcast(b, a, other) == fits);
    if (fits) BOOST_TEST(one == other);
    return fits ? to_string(one) : "no";
  };
  BOOST_TEST(both({3, 4}, {4}) == "[3, 4]");
  BOOST_TEST(both({3, 1}, {1, 4}) == "[3, 4]");
  BOOST_TEST(both({}, {2, 3}) == "[2, 3]");
  BOOST_TEST(both({2, 1, 4}, {3, 1}) == "[2, 3, 4]");
  BOOST_TEST(both({0}, {1}) == "[0]");
  BOOST_TEST(both({0}, {2}) == "no");
  BOOST_TEST(both({3}, {4}) == "no");
  Shape a{3, 1};
  BOOST_TEST(broadcast(a, {1, 4}, a));  // the result may be an operand
  BOOST_TEST(a == (Shape{3, 4}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
