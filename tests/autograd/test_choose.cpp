// where, masked_fill and dropout: what is not chosen leaves no trace.
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

Tensor vec(const Values& v, DType dtype = f64) {
  return from(std::span<const double>(v), {std::ssize(v)}).to(dtype);
}

void equal(const Tensor& x, const Values& expected) {
  BOOST_TEST(values(x) == expected, boost::test_tools::per_element());
}

// Gradient of `f` at x for an upstream gradient, with and without recording.
template <class F>
std::vector<Values> gradients(const F& f, const Values& x, const Values& upstream) {
  std::vector<Values> all;
  for (const DType dtype : {f32, f64})
    for (const bool differentiable : {false, true})
      for (const bool rows : {false, true}) {  // in one piece, or with gaps
        Tape tape;
        const Tensor leaf = tape.watch(vec(x, dtype));
        const Tensor at =
            rows ? slice(concat({leaf, leaf}, 0), {.from = 0, .to = leaf.size(0)}) : leaf;
        const Tensor g = tape.gradient(
            f(at), leaf, {.upstream = vec(upstream, dtype), .differentiable = differentiable});
        all.push_back(values(g));
      }
  return all;
}

template <class F>
void check_gradient(const F& f, const Values& x, const Values& upstream, const Values& expected) {
  for (const Values& g : gradients(f, x, upstream))
    BOOST_TEST(g == expected, boost::test_tools::per_element());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(choose)

BOOST_AUTO_TEST_CASE(values_are_chosen) {
  const Tensor a = vec({1, 2, nan, 4}), b = vec({nan, -2, -3, inf});
  equal(where(vec({1, 0, 0, 1}), a, b), {1, -2, -3, 4});
  equal(where(vec({1, 1, 0, 1}), a, -9.0), {1, 2, -9, 4});
  equal(where(vec({1, 0, 0, 1}), 7.0, b), {7, -2, -3, 7});
  equal(masked_fill(b, vec({1, 0, 0, 1}), 0), {0, -2, -3, 0});
  equal(dropout(b, vec({0, 2, 0.5, 0})), {0, -4, -1.5, 0});
  // Anything but 0 is true; shapes broadcast.
  const Tensor odd = vec({-3, 0, 1e-300, nan}), count = vec({1, 2, 3, 4});
  equal(where(odd, count, 0.0), {1, 0, 3, 4});
  equal(where(odd, count, -count), {1, -2, 3, 4});
  equal(masked_fill(count, odd, 0), {0, 2, 0, 0});
}

BOOST_AUTO_TEST_CASE(masks_of_any_dtype) {
  const Tensor a = vec({1, 2, 3}, f32), b = vec({-1, -2, -3}, f32);
  equal(where(tensor({1, 0, 5}), a, b), {1, -2, 3});
  equal(where(vec({1e-300, 0, 1}), a, b), {1, -2, 3});  // would be 0 in f32
  equal(where(a > 1.5, a, b), {-1, 2, 3});
  equal(masked_fill(a, tensor({0, 1, 0}), -1), {1, -1, 3});
  equal(where(reshape(tensor({1, 0}), {2, 1}), a, b), {1, 2, 3, -1, -2, -3});
  equal(where(full({}, 1, f64), a, b), {1, 2, 3});
  BOOST_TEST(where(zeros({0, 3}), a, b).shape() == (Shape{0, 3}));
}

BOOST_AUTO_TEST_CASE(nothing_leaks_from_what_is_not_taken) {
  const Tensor mask = tensor({1, 0, 1, 0, 0, 1, 0});
  const Values x{1, nan, 2, inf, -inf, 3, 4};
  const Values upstream{5, nan, 6, inf, nan, 7, -inf};
  const Values kept{5, 0, 6, 0, 0, 7, 0};
  check_gradient([&](const Tensor& a) { return where(mask, a, zeros_like(a)); }, x, upstream, kept);
  check_gradient([&](const Tensor& a) { return where(mask, a, 3.0); }, x, upstream, kept);
  check_gradient([&](const Tensor& a) { return where(!mask, 3.0, a); }, x, upstream, kept);
  check_gradient([&](const Tensor& a) { return where(!mask, zeros_like(a), a); }, x, upstream,
                 kept);
  check_gradient([&](const Tensor& a) { return masked_fill(a, !mask, 1); }, x, upstream, kept);
  check_gradient([&](const Tensor& a) { return dropout(a, mask.to(a.dtype())); }, x, upstream,
                 kept);
  check_gradient([](const Tensor& a) { return clamp(a, {.low = 0, .high = 1}); },
                 {-1, 0.5, 2, -inf, inf}, {nan, 3, inf, nan, nan}, {0, 3, 0, 0, 0});
  check_gradient([](const Tensor& a) { return relu(a); }, {-1, 2, -inf, 0}, {nan, 3, inf, nan},
                 {0, 3, 0, 0});
  check_gradient([](const Tensor& a) { return maximum(a, zeros_like(a)); }, {-1, 2, -inf, 0},
                 {nan, 3, inf, 4}, {0, 3, 0, 4});
}

// An outer function with an infinite slope at the value put in: 0 times infinity would be NaN.
BOOST_AUTO_TEST_CASE(infinite_slopes_beyond_the_choice) {
  constexpr auto root_above_zero = [](auto x) { return sqrt(where(x > 0.0, x, 0.0)); };
  const auto f = [&](const Tensor& x) { return pointwise(root_above_zero, x); };
  check_gradient(f, {4, 0, -1, -inf, nan}, {1, 1, nan, inf, nan}, {0.25, 0, 0, 0, 0});
  const auto with_ops = [](const Tensor& x) { return sqrt(where(x > 0.0, x, 0.0)); };
  for (const Values& g : gradients(with_ops, {4, -1}, {1, 1})) {
    BOOST_TEST(g[0] == 0.25);
    BOOST_TEST(g[1] == 0);
  }
}

BOOST_AUTO_TEST_CASE(second_order) {
  Tape tape;
  const Tensor x = tape.watch(vec({2, nan, 3, inf}));
  const Tensor y = where(tensor({1, 0, 1, 0}), x * x * x, 0.0);
  const Tensor g = tape.gradient(sum(y), x, {.differentiable = true});
  BOOST_TEST(values(g)[0] == 12);
  const Tensor h = tape.gradient(g, x, {.upstream = vec({1, 0, 1, 0})});
  BOOST_TEST(values(h)[0] == 12);
  BOOST_TEST(values(h)[2] == 18);
  // Of the choice alone, nothing comes through at any order.
  Tape other;
  const Tensor z = other.watch(vec({2, nan}));
  constexpr auto cube_above = [](auto a) { return where(a > 0.0, a * a * a, 1.0); };
  const Tensor d = other.gradient(sum(pointwise(cube_above, z)), z, {.differentiable = true});
  equal(other.gradient(d, z, {.upstream = vec({1, nan})}), {12, 0});
}

// A derivative that is infinite there makes NaN of the 0, unless what goes in is chosen as well.
BOOST_AUTO_TEST_CASE(what_the_choice_was_computed_from) {
  Tape tape;
  const Tensor x = tape.watch(vec({0, 2}));
  const Tensor late = tape.gradient(sum(where(x > 0, log(x), 0)), x);
  BOOST_TEST(std::isnan(values(late)[0]));
  BOOST_TEST(values(late)[1] == 0.5);
  equal(tape.gradient(sum(where(x > 0, log(where(x > 0, x, 1)), 0)), x), {0, 0.5});
}

BOOST_AUTO_TEST_CASE(masks_have_no_gradient) {
  Tape tape;
  const Tensor x = tape.watch(vec({1, 2}));
  const Tensor mask = tape.watch(vec({1, 0}));
  const Tensor y = where(mask, x, 0.0) + dropout(x, mask) + masked_fill(x, mask, 3);
  equal(tape.gradient(sum(y), x), {2, 1});
  BOOST_CHECK_THROW(static_cast<void>(tape.gradient(sum(y), mask)), Error);
  Tensor left;
  {
    Tape ended;
    left = ended.watch(vec({1, 1})) * 1.0;
  }
  equal(where(left, x, 0.0), {1, 2});  // the history of a mask is never looked at
}

BOOST_AUTO_TEST_CASE(errors) {
  const Tensor x = zeros({2, 3}), ids = tensor({1, 2});
  BOOST_TEST(error_text([&] { where(ids, ids, ids); }).find("[where] a i64 [2]") == 0U);
  BOOST_TEST(error_text([&] {
               where(x, x, zeros({2, 3}, f64));
             })
                 .find("[where] f32 [2, 3] and f64 "
                       "[2, 3]") == 0U);
  BOOST_TEST(error_text([&] { where(zeros({4}), x, x); }) ==
             "[where] f32 [4], f32 [2, 3] and f32 [2, 3] do not broadcast; needed equal extents, "
             "or 1, counted from the last axis; hint: reshape(x, {…, 1}) lines an axis up");
  BOOST_TEST(error_text([&] { masked_fill(ids, ids, 1); }).find("[masked_fill] x i64 [2]") == 0U);
  BOOST_TEST(error_text([&] { where(Tensor{}, x, x); }).find("[where] mask is undefined") == 0U);
  BOOST_TEST(error_text([&] { dropout(x, ids); }).find("[dropout] mask i64 [2]") == 0U);
  check_text([] { dropout_mask({4}, 0.5, i64); }, "[dropout] dtype i64; needed f32 or f64");
  for (const double rate : {-0.1, 1.0, nan}) {
    const std::string text = "[dropout] rate " + std::to_string(rate) + "; needed 0 <= rate < 1";
    check_text([&] { dropout_mask({4}, rate); }, text);
    check_text([&] { dropout(x, rate); }, text);
  }
  BOOST_TEST(error_text([&] { clamp(x, {.low = 1, .high = 0}); }) ==
             "[clamp] low 1.000000 and high 0.000000; needed low <= high; hint: clamp(x, {.low = "
             "-1, .high = 1})");
  BOOST_CHECK_THROW(clamp(x, {.low = nan}), Error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
