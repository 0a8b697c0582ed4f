// Comparisons and masks.
#include <unroll/unroll.h>

#include <cmath>
#include <limits>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

const double inf = std::numeric_limits<double>::infinity();
const double nan = std::numeric_limits<double>::quiet_NaN();

using Values = std::vector<double>;

void equal(const Tensor& x, const Values& expected) {
  BOOST_TEST(values(x) == expected, boost::test_tools::per_element());
}

// All pairs of interesting numbers, as [n, 1] against [n], so more than a packet and with a tail.
const Values numbers{-inf, -2, -0.0, 0.0, 1, 1.5, inf, nan, -1e-40};

template <class Op>
void check(const Op& op) {
  const Index n = std::ssize(numbers);
  for (const DType dtype : {f32, f64}) {
    const Tensor y = from(std::span<const double>(numbers), {n}).to(dtype);
    const Tensor x = reshape(y, {n, 1});
    Values both, with_number, number_first;
    for (const double a : values(x))
      for (const double b : values(y)) both.push_back(op(a, b) ? 1 : 0);
    for (const double a : values(x)) {
      with_number.push_back(op(a, 1.0) ? 1 : 0);
      number_first.push_back(op(1.0, a) ? 1 : 0);
    }
    BOOST_TEST((op(x, y).dtype() == dtype));
    equal(op(x, y), both);
    equal(op(with_gaps(x), expand(y, {n, n})), both);
    equal(op(y, 1.0), with_number);
    equal(op(1.0, y), number_first);
  }
  const std::vector<Index> ids{-3, 0, 1, 7, Index{1} << 60, (Index{1} << 60) + 1};
  const Tensor y = from(std::span<const Index>(ids), {6});
  const Tensor x = reshape(y, {6, 1});
  Values both, with_number;
  for (const Index a : ids) {
    for (const Index b : ids) both.push_back(op(a, b) ? 1 : 0);
    with_number.push_back(op(a, Index{1}) ? 1 : 0);
  }
  BOOST_TEST((op(x, y).dtype() == f32));
  equal(op(x, y), both);
  equal(op(transpose(x, 0, 1), transpose(expand(y, {6, 6}), 0, 1)), [&] {
    Values turned;
    for (const Index a : ids)
      for (const Index b : ids) turned.push_back(op(b, a) ? 1 : 0);
    return turned;
  }());
  equal(op(y, 1), with_number);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(relations)

BOOST_AUTO_TEST_CASE(all_comparisons) {
  check([](const auto& a, const auto& b) { return a < b; });
  check([](const auto& a, const auto& b) { return a <= b; });
  check([](const auto& a, const auto& b) { return a > b; });
  check([](const auto& a, const auto& b) { return a >= b; });
  check([](const auto& a, const auto& b) { return a == b; });
  check([](const auto& a, const auto& b) { return a != b; });
}

// A number takes the dtype of the tensor: 0.1 is not the f32 nearest to it.
BOOST_AUTO_TEST_CASE(numbers_take_the_dtype) {
  equal(full({2}, 0.1) == 0.1, {1, 1});
  equal(full({2}, 0.1, f64) == 0.1, {1, 1});
}

BOOST_AUTO_TEST_CASE(shapes) {
  const Tensor x = zeros({2, 0, 3});
  BOOST_TEST((x < x).shape() == (Shape{2, 0, 3}));
  BOOST_TEST((tensor({1}) == zeros({0}).to(i64)).shape() == (Shape{0}));
  BOOST_TEST((full({}, 1) > 0.0).item() == 1);
  equal(uniform({70}, 0, 1) < 2.0, Values(70, 1));
}

BOOST_AUTO_TEST_CASE(logic) {
  const Tensor a = tensor({1.0, 0.0, 2.0, 0.0}), b = tensor({1.0, 1.0, 0.0, 0.0});
  equal(a & b, {1, 0, 0, 0});
  equal(a | b, {1, 1, 1, 0});
  equal(!a, {0, 1, 0, 1});
  const Tensor ids = tensor({3, 0, 5, 0});
  equal(ids & b, {1, 0, 0, 0});
  equal(b.to(f64) | ids, {1, 1, 1, 0});
  BOOST_TEST(((ids & b).dtype() == f32));
  BOOST_TEST(((b.to(f64) | ids).dtype() == f64));
  equal((a > 0.0) & !(b > 0.0), {0, 0, 1, 0});
  const Tensor least = full({2}, 1e-30) & full({2}, 1e-30);  // their product would be 0
  equal(least, {1, 1});
  equal(!full({1}, nan), {0});
}

BOOST_AUTO_TEST_CASE(any_and_all) {
  const Tensor m = tensor({{1.0, 0.0, 0.0}, {0.0, 0.0, 0.0}, {2.0, 3.0, -1.0}});
  BOOST_TEST(any(m));
  BOOST_TEST(!all(m));
  BOOST_TEST(all(select(m, 0, 2)));
  BOOST_TEST(!any(select(m, 0, 1)));
  equal(any(m, -1), {1, 0, 1});
  equal(all(m, -1), {0, 0, 1});
  BOOST_TEST(all(m, 0, {.keepdim = true}).shape() == (Shape{1, 3}));
  equal(any(tensor({{0, 0}, {0, 4}}), 0), {0, 1});
  equal(any(tensor({{1.0, -1.0}}), 1), {1});  // does not cancel
  BOOST_TEST(!any(zeros({0})));
  BOOST_TEST(all(zeros({0})));
  BOOST_TEST(any(full({3}, nan)));
  equal(all(zeros({2, 0}), 1), {1, 1});
}

BOOST_AUTO_TEST_CASE(nothing_is_recorded) {
  Tensor ended;
  {
    Tape gone;
    ended = gone.watch(ones({3})) * 2.0;
  }
  Tape tape;
  const Tensor x = tape.watch(tensor({-1.0, 0.0, 1.0}));
  const Tensor y = x * 2.0;
  const Index before = tape.nodes();
  equal((y > 0.0) | !(x == y) | (x < ended) | (ended != 2.0), {1, 1, 1});
  BOOST_TEST(any(y));
  BOOST_TEST(!all(ended == 0.0));
  equal(any(ended, 0) & all(y, 0), {0});
  BOOST_TEST(tape.nodes() == before);
  // A mask is a constant, to be multiplied with.
  equal(tape.gradient(sum(y * (x > 0.0)), x), {0, 0, 2});
}

BOOST_AUTO_TEST_CASE(errors) {
  const Tensor x = zeros({2, 3});
  check_text([&] { static_cast<void>(x < zeros({4})); },
             "[less] f32 [2, 3] and f32 [4] do not broadcast; needed equal extents, or 1, counted "
             "from the last axis; hint: reshape(x, {…, 1}) lines an axis up");
  check_text(
      [&] {
        static_cast<void>(tensor({1, 2}) == tensor({1, 2, 3}));
      },
      "[equal] i64 [2] and i64 [3] do not broadcast; needed equal extents, or 1, counted "
      "from the last axis; hint: reshape(x, {…, 1}) lines an axis up");
  BOOST_TEST(error_text([&] {
               static_cast<void>(x >= zeros({2, 3}, f64));
             }).find("[greater_equal] f32 [2, 3] and f64 [2, 3]") == 0U);
  BOOST_TEST(error_text([&] {
               static_cast<void>(x != tensor({1, 2, 3}));
             }).find("[not_equal] ") == 0U);
  BOOST_TEST(error_text([&] { static_cast<void>(x > Tensor{}); }).find("[greater] operand 1") ==
             0U);
  BOOST_TEST(error_text([&] { static_cast<void>(Tensor{} <= 1.0); }).find("[less_equal] x") == 0U);
  BOOST_TEST(error_text([&] { static_cast<void>(x & Tensor{}); }).find("[and] operand 1") == 0U);
  BOOST_TEST(error_text([&] { static_cast<void>(any(Tensor{})); }).find("[any] mask") == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
