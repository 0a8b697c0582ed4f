// Sorting: ties, NaN, views, positions that fit the values.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

const double nan = std::numeric_limits<double>::quiet_NaN();

// Few different numbers, so that most are equal to others.
std::vector<double> with_ties(Index n, std::uint64_t stream) {
  Rng rng(stream);
  std::vector<double> x(static_cast<std::size_t>(n));
  for (double& v : x) v = static_cast<double>(rng.below(5));
  return x;
}

Tensor list(const std::vector<double>& v) {
  return from(std::span<const double>(v), {std::ssize(v)});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(order)

BOOST_AUTO_TEST_CASE(equals_keep_their_order) {
  for (const Index n : {1, 2, 15, 16, 17, 100, 1000}) {
    const auto x = with_ties(n, static_cast<std::uint64_t>(n));
    for (const bool descending : {false, true}) {
      std::vector<Index> expected(x.size());
      std::iota(expected.begin(), expected.end(), Index{0});
      std::stable_sort(expected.begin(), expected.end(), [&](Index a, Index b) {
        const double left = x[static_cast<std::size_t>(a)];
        const double right = x[static_cast<std::size_t>(b)];
        return descending ? left > right : left < right;
      });
      const Tensor positions = from(std::span<const Index>(expected), {n});
      for (const DType dtype : {f32, f64, i64}) {
        const Tensor given =
            dtype == i64 ? from(std::span<const Index>(std::vector<Index>(x.begin(), x.end())), {n})
                         : list(x).to(dtype);
        auto out = sort(given, 0, {.descending = descending});
        BOOST_TEST(all_equal(out.positions, positions));
        BOOST_TEST((out.values.dtype() == dtype));
        if (descending)
          for (const Index k : {Index{0}, Index{1}, n / 2, n})
            BOOST_TEST(
                all_equal(top_k(given, k).positions, contiguous(slice(positions, {.to = k}))));
      }
    }
  }
  // 0 and -0 are equal.
  BOOST_TEST(all_equal(argsort(tensor({0.0, -0.0, 0.0})), tensor({0, 1, 2})));
}

BOOST_AUTO_TEST_CASE(nan_is_last_in_order_and_first_among_the_largest) {
  const Tensor x = tensor({2.0, nan, 3.0, nan, 1.0}, f64);
  BOOST_TEST(all_equal(argsort(x), tensor({4, 0, 2, 1, 3})));
  BOOST_TEST(all_equal(argsort(x, -1, {.descending = true}), tensor({2, 0, 4, 1, 3})));
  BOOST_TEST(all_equal(top_k(x, 3).positions, tensor({1, 3, 2})));
  BOOST_TEST(std::isnan(sort(x).values.span<double>()[4]));
  BOOST_TEST(all_equal(top_k(x, 1).positions, argmax(x, 0, {.keepdim = true})));
}

BOOST_AUTO_TEST_CASE(axes_and_views) {
  Rng rng(4);
  const Tensor x = uniform({3, 4, 5}, -1, 1, rng, f64);
  for (const Index axis : {0, 1, 2}) {
    const Tensor turned = transpose(x, axis, 2);
    auto out = sort(turned, 2);
    auto here = sort(x, axis);
    BOOST_TEST(all_equal(contiguous(transpose(here.values, axis, 2)), out.values));
    BOOST_TEST(all_equal(contiguous(transpose(here.positions, axis, 2)), out.positions));
    BOOST_TEST(top_k(x, 2, axis).values.shape() == x.shape().with(axis, 2));
  }
  BOOST_TEST(all_equal(sort(expand(tensor({7.0}), {3})).positions, tensor({0, 1, 2})));
  BOOST_TEST(sort(zeros({0, 3}), 0).values.shape() == (Shape{0, 3}));
  BOOST_TEST(sort(zeros({3, 0})).positions.shape() == (Shape{3, 0}));
  BOOST_TEST(top_k(zeros({3, 2}), 0).values.shape() == (Shape{3, 0}));
}

BOOST_AUTO_TEST_CASE(the_gradient_goes_back_where_it_was) {
  for (const bool differentiable : {false, true}) {
    Tape tape;
    const Tensor x = tape.watch(tensor({{3.0, 1.0, 3.0}, {2.0, 2.0, 5.0}}, f64));
    const Tensor w = tensor({{1.0, 10.0, 100.0}}, f64);
    const Tensor g = tape.gradient(sum(sort(x).values * w), x, {.differentiable = differentiable});
    BOOST_TEST(all_equal(detach(g), tensor({{10.0, 1.0, 100.0}, {1.0, 10.0, 100.0}}, f64)));
    const Tensor top = tape.gradient(sum(top_k(x, 1, 0).values), x);
    BOOST_TEST(all_equal(top, tensor({{1.0, 0.0, 0.0}, {0.0, 1.0, 1.0}}, f64)));
    // Positions are no operation of the tape.
    const Index before = tape.nodes();
    static_cast<void>(argsort(x));
    BOOST_TEST(tape.nodes() == before);
  }
}

BOOST_AUTO_TEST_CASE(what_is_refused) {
  const Tensor x = zeros({2, 3});
  check_text([&] { return top_k(x, 4); },
             "[top_k] k = 4 of x f32 [2, 3] along axis -1; needed 0 <= k <= 3");
  check_text([&] { return top_k(x, -1, 0); },
             "[top_k] k = -1 of x f32 [2, 3] along axis 0; needed 0 <= k <= 2");
  BOOST_CHECK_THROW(static_cast<void>(sort(Tensor{})), Error);
  BOOST_CHECK_THROW(static_cast<void>(sort(full({}, 1))), Error);
  BOOST_CHECK_THROW(static_cast<void>(argsort(x, 2)), Error);
}

BOOST_AUTO_TEST_CASE(same_bits_on_any_number_of_threads) {
  Rng rng(6);
  const Tensor x = uniform({301, 1'003}, -3, 3, rng);
  set_threads(1);
  const auto alone = sort(x, 0);
  const auto top = top_k(x, 20);
  for (const Index count : {2, 4}) {
    set_threads(count);
    BOOST_TEST(all_equal(sort(x, 0).positions, alone.positions));
    BOOST_TEST(all_equal(top_k(x, 20).values, top.values));
  }
  set_threads(0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
