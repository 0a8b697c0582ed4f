// Tensors: creation, views, conversion, and what degenerate ones give.
#include <cmath>
#include <limits>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"

namespace unroll::test {

BOOST_AUTO_TEST_SUITE(tensors)

BOOST_AUTO_TEST_CASE(lists_decide_dtype_and_shape) {
  BOOST_TEST(describe(tensor({1.0, 2.0})) == "f32 [2]");
  BOOST_TEST(describe(tensor({1, 2})) == "i64 [2]");
  BOOST_TEST(describe(tensor({0.1, 0.2}, f64)) == "f64 [2]");
  BOOST_TEST(describe(tensor({{1, 2, 3}, {4, 5, 6}})) == "i64 [2, 3]");
  BOOST_TEST(describe(tensor({{{1.0}, {2.0}}, {{3.0}, {4.0}}})) == "f32 [2, 2, 1]");
  BOOST_TEST(tensor({0.1}, f64).item() == 0.1);
  BOOST_TEST(tensor({0.1}).item() == static_cast<double>(0.1F));
  BOOST_TEST(tensor({(Index{1} << 60) + 1}).item<Index>() == (Index{1} << 60) + 1);
  BOOST_CHECK_THROW(static_cast<void>(tensor({{1.0, 2.0}, {3.0}})), Error);
  BOOST_CHECK_THROW(static_cast<void>(tensor({1.5}, i64)), Error);
}

BOOST_AUTO_TEST_CASE(creation_by_name) {
  BOOST_TEST(all_equal(zeros({2}), tensor({0.0, 0.0})));
  BOOST_TEST(all_equal(ones({2}, i64), tensor({1, 1})));
  BOOST_TEST(all_equal(full({2}, 2.5, f64), tensor({2.5, 2.5}, f64)));
  BOOST_TEST(all_equal(arange(3), tensor({0, 1, 2})));
  BOOST_TEST(all_equal(eye(2), tensor({{1.0, 0.0}, {0.0, 1.0}})));
  BOOST_TEST(describe(zeros_like(tensor({1.0}, f64), {3, 2})) == "f64 [3, 2]");
  const std::vector<double> data{1, 2, 3, 4};
  BOOST_TEST(describe(from(std::span<const double>(data), {2, 2})) == "f64 [2, 2]");
  BOOST_TEST(error_text([&] { static_cast<void>(from(std::span<const double>(data), {3})); }) ==
             "[from] 4 values for shape [3]; needed 3 values");
}

BOOST_AUTO_TEST_CASE(undefined_is_refused_by_every_query) {
  const Tensor nothing;
  BOOST_TEST(!nothing.defined());
  BOOST_TEST(describe(nothing) == "undefined");
  BOOST_TEST(to_string(nothing) == "undefined");
  BOOST_CHECK_THROW(static_cast<void>(nothing.shape()), Error);
  BOOST_CHECK_THROW(static_cast<void>(nothing.size()), Error);
  BOOST_CHECK_THROW(static_cast<void>(nothing.size(0)), Error);
  BOOST_CHECK_THROW(static_cast<void>(nothing.dtype()), Error);
  BOOST_CHECK_THROW(static_cast<void>(nothing.item()), Error);
  BOOST_CHECK_THROW(static_cast<void>(nothing.to(f64)), Error);
  BOOST_CHECK_THROW(static_cast<void>(nothing + nothing), Error);
  BOOST_CHECK_THROW(static_cast<void>(sum(nothing)), Error);
  BOOST_CHECK_THROW(static_cast<void>(reshape(nothing, {1})), Error);
}

BOOST_AUTO_TEST_CASE(item_and_span) {
  BOOST_TEST(tensor({{2.5}}).item() == 2.5);
  BOOST_TEST(error_text([] { static_cast<void>(zeros({2}).item()); }) ==
             "[item] f32 [2]; needed one element; hint: sum(x).item(), or x.span<float>()");
  BOOST_CHECK_THROW(static_cast<void>(zeros({0}).item()), Error);
  BOOST_CHECK_THROW(static_cast<void>(zeros({2}).span<double>()), Error);
  BOOST_TEST(error_text([] {
               static_cast<void>(transpose(zeros({2, 3}), 0, 1).span<float>());
             }) ==
             "[span] f32 [3, 2], a view with gaps; needed elements that lie one after another; "
             "hint: contiguous(x).span<…>()");
  BOOST_TEST(zeros({3, 0}).span<float>().empty());
}

BOOST_AUTO_TEST_CASE(plus_equals_moves_the_handle) {
  Tensor a = tensor({1.0});
  const Tensor before = a;
  a += tensor({2.0});
  a *= 3.0;
  a -= 1.0;
  a /= tensor({4.0});
  BOOST_TEST(a.item() == 2.0);
  BOOST_TEST(before.item() == 1.0);
}

BOOST_AUTO_TEST_CASE(views_copy_nothing) {
  const Tensor x = reshape(arange(24), {2, 3, 4});
  const auto first = [](const Tensor& t) {
    return reinterpret_cast<const Index*>(t.header()->data);
  };
  const Index* const data = first(x);
  BOOST_TEST(first(select(x, 1, 2)) == data + 8);
  BOOST_TEST(first(slice(x, {.axis = -1, .from = 1})) == data + 1);
  BOOST_TEST(first(transpose(x, 0, 2)) == data);
  BOOST_TEST(first(reshape(x, {4, 6})) == data);
  BOOST_TEST(first(expand(select(x, 0, 0), {5, 3, 4})) == data);
  BOOST_TEST(contiguous(x).header() == x.header());
}

BOOST_AUTO_TEST_CASE(views_hold_the_right_elements) {
  const Tensor x = reshape(arange(24), {2, 3, 4});
  BOOST_TEST(all_equal(select(x, 1, -1), tensor({{8, 9, 10, 11}, {20, 21, 22, 23}})));
  BOOST_TEST(all_equal(slice(x, {.axis = 2, .from = 1, .to = -1, .step = 2}),
                       tensor({{{1}, {5}, {9}}, {{13}, {17}, {21}}})));
  BOOST_TEST(all_equal(transpose(select(x, 0, 0), 0, 1),
                       tensor({{0, 4, 8}, {1, 5, 9}, {2, 6, 10}, {3, 7, 11}})));
  BOOST_TEST(all_equal(reshape(transpose(select(x, 0, 0), 0, 1), {2, 6}),
                       tensor({{0, 4, 8, 1, 5, 9}, {2, 6, 10, 3, 7, 11}})));
  BOOST_TEST(all_equal(reshape(select(x, 1, 0), {8}), tensor({0, 1, 2, 3, 12, 13, 14, 15})));
  BOOST_TEST(all_equal(reshape(x, {4, -1}), reshape(x, {4, 6})));
  BOOST_TEST(all_equal(reshape(x, {-1}), arange(24)));
  BOOST_TEST(all_equal(reshape(x, {2, 12, -1}), reshape(x, {2, 12, 1})));
  BOOST_TEST((reshape(zeros({0, 3}), {-1, 6}).shape() == Shape{0, 6}));
  auto [left, right] = split(select(x, 0, 1), {1, 3}, -1);
  BOOST_TEST(all_equal(left, tensor({{12}, {16}, {20}})));
  BOOST_TEST(all_equal(right, tensor({{13, 14, 15}, {17, 18, 19}, {21, 22, 23}})));
  BOOST_TEST(all_equal(concat({left, right}, 1), select(x, 0, 1)));
  BOOST_TEST(all_equal(stack({select(x, 0, 0), select(x, 0, 1)}, 0), x));
  BOOST_TEST(all_equal(
      stack({select(x, 2, 0), select(x, 2, 1), select(x, 2, 2), select(x, 2, 3)}, -1), x));
}

BOOST_AUTO_TEST_CASE(views_that_are_refused) {
  const Tensor x = zeros({2, 6});
  BOOST_CHECK_THROW(static_cast<void>(select(x, 0, 2)), Error);
  BOOST_CHECK_THROW(static_cast<void>(select(x, 2, 0)), Error);
  BOOST_CHECK_THROW(static_cast<void>(slice(x, {.axis = 1, .from = 4, .to = 3})), Error);
  BOOST_CHECK_THROW(static_cast<void>(slice(x, {.axis = 1, .to = 7})), Error);
  BOOST_CHECK_THROW(static_cast<void>(slice(x, {.step = 0})), Error);
  BOOST_CHECK_THROW(static_cast<void>(reshape(x, {5})), Error);
  const std::string left = "; needed at most one -1, and others whose product divides ";
  check_throws(
      [&] {
        return reshape(x, {5, -1});
      },
      "[reshape] x f32 [2, 6] to [5, -1]" + left + "12");
  check_throws(
      [&] {
        return reshape(x, {-1, -1});
      },
      "[reshape] x f32 [2, 6] to [-1, -1]" + left + "12");
  check_throws(
      [&] {
        return reshape(zeros({0}), {0, -1});
      },
      "[reshape] x f32 [0] to [0, -1]" + left + "0");
  check_throws(
      [&] {
        return expand(zeros({1, 6}), {2, -1});
      },
      "[shape] [2, -1]; needed extents >= 0; hint: -1 for what is left is understood by "
      "reshape(x, {-1, n}) alone");
  BOOST_CHECK_THROW(static_cast<void>(expand(x, {3, 6})), Error);
  BOOST_CHECK_THROW(static_cast<void>(split<4>(x, 1)), Error);
  BOOST_CHECK_THROW(static_cast<void>(split(x, {2, 3}, 1)), Error);
  BOOST_CHECK_THROW(static_cast<void>(concat({x, zeros({3, 6})}, 1)), Error);
  BOOST_CHECK_THROW(static_cast<void>(stack(std::span<const Tensor>(), 0)), Error);
}

BOOST_AUTO_TEST_CASE(reductions_on_awkward_shapes) {
  BOOST_TEST(sum(zeros({0})).item() == 0.0);
  BOOST_TEST(std::isnan(mean(zeros({0})).item()));
  BOOST_CHECK_THROW(static_cast<void>(max(zeros({0}))), Error);
  BOOST_TEST(all_equal(sum(zeros({3, 0}), -1), zeros({3})));
  BOOST_TEST(sum(zeros({0, 3}), -1).shape() == (Shape{0}));
  BOOST_TEST(sum(full({}, 3)).item() == 3.0);
  BOOST_TEST(all_equal(argmax(tensor({{1.0, 3.0, 3.0}, {5.0, 4.0, 5.0}}), -1), tensor({1, 0})));
  BOOST_TEST(all_equal(argmax(tensor({{1.0, 3.0, 3.0}, {5.0, 4.0, 5.0}}), 0), tensor({1, 1, 1})));
  BOOST_TEST(std::isnan(max(tensor({1.0, std::nan(""), 2.0})).item()));
  BOOST_TEST(argmax(tensor({1.0, std::nan(""), 2.0}), 0).item() == 1.0);
  BOOST_CHECK_THROW(static_cast<void>(sum(zeros({2, 3}), {0, 0})), Error);
  BOOST_CHECK_THROW(static_cast<void>(sum(zeros({2, 3}), 2)), Error);
  // Added up in double: a million small numbers beside a large one, in f32.
  const Tensor many = concat({tensor({1e8}), full({1 << 20}, 1)}, 0);
  BOOST_TEST(sum(many).item() == static_cast<double>(static_cast<float>(1e8 + (1 << 20))));
}

// Of equals, the first gets the gradient.
BOOST_AUTO_TEST_CASE(maximum_of_equals) {
  Tape tape;
  const Tensor x = tape.watch(tensor({{2.0, 7.0, 7.0}, {7.0, 1.0, 0.0}}));
  BOOST_TEST(all_equal(tape.gradient(max(x), x), tensor({{0.0, 1.0, 0.0}, {0.0, 0.0, 0.0}})));
  BOOST_TEST(
      all_equal(tape.gradient(sum(max(x, -1)), x), tensor({{0.0, 1.0, 0.0}, {1.0, 0.0, 0.0}})));
}

BOOST_AUTO_TEST_CASE(conversion_between_dtypes) {
  const Tensor x = tensor({1.5, -2.0}, f64);
  BOOST_TEST(x.to(f64).header() == x.header());
  BOOST_TEST(all_equal(x.to(f32), tensor({1.5, -2.0})));
  BOOST_TEST(all_equal(x.to(i64), tensor({1, -2})));
  const auto refused = [](double value, DType dtype) {
    const Tensor y = reshape(concat({zeros({5}, dtype), full({1}, value, dtype)}, 0), {2, 3});
    return error_text([&] { y.to(i64); });
  };
  const std::string rest = " at [1, 2]; needed whole numbers of 64 bits, from -2^63 to 2^63 - 1";
  BOOST_TEST(refused(std::nan(""), f32) == "[to] nan" + rest);
  BOOST_TEST(refused(HUGE_VAL, f32) == "[to] inf" + rest);
  BOOST_TEST(refused(-HUGE_VAL, f64) == "[to] -inf" + rest);
  BOOST_TEST(refused(0x1p63, f32) == "[to] 9.2233720368547758e+18" + rest);
  BOOST_TEST(refused(-1e300, f64) == "[to] -1.0000000000000001e+300" + rest);
  constexpr Index least = std::numeric_limits<Index>::min();
  BOOST_TEST(all_equal(tensor({-0x1p63, 0x1p63 - 1024, -0.9}, f64).to(i64),
                       tensor({least, (least + 1024) * -1, Index{0}})));
  BOOST_TEST(all_equal(tensor({-0x1p63}).to(i64), tensor({least})));
  Tape tape;
  const Tensor w = tape.watch(tensor({1.5F, -2.0F}));
  const Tensor g = tape.gradient(sum(square(w.to(f64))), w);
  BOOST_TEST(all_equal(g, tensor({3.0, -4.0})));
}

BOOST_AUTO_TEST_CASE(losses_where_nothing_counts) {
  for (const Reduction reduction : {Reduction::mean, Reduction::sum}) {
    Tape tape;
    const Tensor x = tape.watch(full({2, 3}, std::numeric_limits<double>::infinity()));
    const Tensor loss = cross_entropy(x, tensor({-100, -100}), {.reduction = reduction});
    BOOST_TEST(loss.item() == 0.0);
    BOOST_TEST(all_equal(tape.gradient(loss, x), zeros({2, 3})));
  }
}

// A row that does not count may hold anything, in the recorded derivative too.
BOOST_AUTO_TEST_CASE(what_does_not_count_never_shows) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const bool differentiable : {false, true}) {
    Tape tape;
    const Tensor x = tape.watch(tensor({{0.5, 1.0}, {nan, nan}}, f64));
    const Tensor g =
        tape.gradient(cross_entropy(x, tensor({0, -100})), x, {.differentiable = differentiable});
    BOOST_TEST(values(g)[2] == 0.0);
    BOOST_TEST(values(g)[3] == 0.0);
  }
}

BOOST_AUTO_TEST_CASE(softmax_of_nothing_to_choose_from) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const bool differentiable : {false, true}) {
    Tape tape;
    const Tensor x = tape.watch(tensor({{-inf, -inf}, {0.0, -inf}, {1000.0, 1000.0}}, f64));
    const Tensor y = softmax(x);
    BOOST_TEST(all_equal(detach(y), tensor({{0.0, 0.0}, {1.0, 0.0}, {0.5, 0.5}}, f64)));
    for (const double v : values(tape.gradient(sum(y * tensor({{1.0, 2.0}}, f64)), x,
                                               {.differentiable = differentiable})))
      BOOST_TEST(std::isfinite(v));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
