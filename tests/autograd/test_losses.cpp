// Losses of numbers, of two classes and of directions: closed forms, awkward points, errors. What
// they share is in test_losses_common.cpp, numbers from elsewhere in test_losses_fixtures.cpp.
#include <unroll/unroll.h>

#include <cmath>
#include <limits>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();

void check_error(const Tape& tape, const std::function<Tensor()>& call, const std::string& text) {
  const Index nodes = tape.nodes();
  check_text([&] { static_cast<void>(call()); }, text);
  BOOST_TEST(tape.nodes() == nodes);
}

// Gradient of Σ f(x) at the points given.
std::vector<double> gradient_of(Tensor (*loss)(const Tensor&), const std::vector<double>& at,
                                DType dtype = f64) {
  Tape tape;
  const Tensor x = tape.watch(from(std::span<const double>(at), {std::ssize(at)}).to(dtype));
  return values(tape.gradient(loss(x), x).to(f64));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(losses)

BOOST_AUTO_TEST_CASE(values_by_hand) {
  const Tensor x = tensor({1.0, -2.0, 3.5}, f64);
  const Tensor y = tensor({0.0, 1.0, 3.0}, f64);
  BOOST_TEST(mse(x, y).item() == 10.25 / 3);
  BOOST_TEST(mae(x, y).item() == 1.5);
  BOOST_TEST(huber(x, y, {.reduction = Reduction::sum}).item() == 0.5 + 2.5 + 0.125);
  BOOST_TEST(huber(x, y, {.delta = 2, .reduction = Reduction::sum}).item() == 0.5 + 4 + 0.125);
  BOOST_TEST(all_equal(hinge(x, tensor({1, 1, -1}), {.reduction = Reduction::none}),
                       tensor({0.0, 3.0, 4.5}, f64)));
  BOOST_TEST(all_equal(hinge(x, tensor({1, 1, -1}), {.margin = 2, .reduction = Reduction::none}),
                       tensor({1.0, 4.0, 5.5}, f64)));
}

BOOST_AUTO_TEST_CASE(derivatives_at_awkward_points) {
  BOOST_TEST(
      gradient_of(
          [](const Tensor& x) { return mae(x, zeros_like(x), {.reduction = Reduction::sum}); },
          {0.0, 1e-300, -2.0}) == (std::vector{0.0, 1.0, -1.0}),
      boost::test_tools::per_element());
  BOOST_TEST(gradient_of(
                 [](const Tensor& x) {
                   return huber(x, zeros_like(x), {.delta = 2, .reduction = Reduction::sum});
                 },
                 {0.0, 2.0, -2.0, 3.0}) == (std::vector{0.0, 2.0, -2.0, 2.0}),
             boost::test_tools::per_element());
  BOOST_TEST(gradient_of(
                 [](const Tensor& x) {
                   return hinge(x, tensor({1, 1, -1, -1}), {.reduction = Reduction::sum});
                 },
                 {1.0, 0.9, -1.0, 5.0}) == (std::vector{0.0, -1.0, 0.0, 1.0}),
             boost::test_tools::per_element());
  BOOST_TEST(gradient_of(
                 [](const Tensor& x) {
                   return binary_cross_entropy(x, tensor({1, 0}), {.reduction = Reduction::sum});
                 },
                 {0.0, 0.0}) == (std::vector{-0.5, 0.5}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(binary_cross_entropy_agrees_with_long_double) {
  std::vector<double> points{0, 1e-9, -1e-9, 37, -37, 100, -100, 700, -700, 1e30, -1e30};
  Rng rng(1);
  for (int i = 0; i < 200; ++i) points.push_back(rng.uniform() * 60 - 30);
  for (const DType dtype : {f32, f64})
    for (const double t : {0.0, 0.25, 1.0})
      for (const double p : {1.0, 3.0}) {
        const Tensor x = from(std::span<const double>(points), {std::ssize(points)}).to(dtype);
        const Tensor y =
            binary_cross_entropy(x, full(x.shape(), t, dtype),
                                 {.positive_weight = full({}, p), .reduction = Reduction::none});
        const auto at = values(x.to(f64)), found = values(y.to(f64));
        for (std::size_t i = 0; i < at.size(); ++i) {
          const long double e = std::log1p(std::exp(-std::abs(static_cast<long double>(at[i]))));
          const long double v = at[i];
          const long double expected =
              p * t * (std::max(-v, 0.0L) + e) + (1 - t) * (std::max(v, 0.0L) + e);
          BOOST_TEST(std::isfinite(found[i]));
          const double tolerance = dtype == f32 ? 1e-6 : 4e-15;
          if (expected > (dtype == f32 ? 1e-37L : 1e-300L))
            BOOST_TEST(std::abs(found[i] - expected) <= tolerance * expected);
          else
            BOOST_TEST(found[i] <= 1e-37);
        }
      }
}

BOOST_AUTO_TEST_CASE(binary_targets_may_be_whole_numbers) {
  Rng rng(2);
  const Tensor x = uniform({3, 4}, -3, 3, rng);
  const Tensor ids = tensor({{1, 0, 0, 1}, {1, 1, 1, 0}, {0, 0, 1, 0}});
  BOOST_TEST(all_equal(binary_cross_entropy(x, ids), binary_cross_entropy(x, ids.to(f32))));
  // An id that does not count is not read.
  BOOST_TEST(binary_cross_entropy(tensor({1.0, 2.0}), tensor({-7, 1}), {.weights = tensor({0, 1})})
                 .item() > 0);
}

BOOST_AUTO_TEST_CASE(cosine_of_known_angles) {
  const Tensor x = tensor({{3.0, 4.0}, {1.0, 0.0}, {2.0, 2.0}, {0.0, 0.0}}, f64);
  const Tensor y = tensor({{6.0, 8.0}, {0.0, 5.0}, {-1.0, -1.0}, {1.0, 1.0}}, f64);
  BOOST_TEST(all_close(cosine_similarity(x, y), tensor({1.0, 0.0, -1.0, 0.0}, f64),
                       {.relative = 1e-15, .absolute = 1e-15}));
  BOOST_TEST(all_close(cosine_embedding(x, y, tensor({1, 1, -1, -1}),
                                        {.margin = -0.5, .reduction = Reduction::none}),
                       tensor({0.0, 1.0, 0.0, 0.5}, f64), {.relative = 1e-15, .absolute = 1e-15}));
  BOOST_TEST((cosine_similarity(zeros({3, 0}), zeros({3, 0})).shape() == Shape{3}));
}

BOOST_AUTO_TEST_CASE(a_zero_vector_is_like_nothing) {
  for (const DType dtype : {f32, f64})
    for (const bool differentiable : {false, true}) {
      Tape tape;
      const Tensor x = tape.watch(tensor({{0.0, 0.0}, {1.0, 2.0}, {0.0, 0.0}}, dtype));
      const Tensor y = tape.watch(tensor({{1.0, 3.0}, {0.0, 0.0}, {0.0, 0.0}}, dtype));
      const Tensor c = cosine_similarity(x, y);
      for (const double v : values(c.to(f64))) BOOST_TEST(v == 0.0);
      for (const Tensor& g : tape.gradient(sum(c), {x, y}, {.differentiable = differentiable}))
        for (const double v : values(detach(g).to(f64))) BOOST_TEST(v == 0.0);
      BOOST_TEST(std::isnan(
          cosine_similarity(zeros({1}, dtype), tensor({nan}, dtype), {.axis = 0}).item()));
    }
}

BOOST_AUTO_TEST_CASE(errors) {
  Tape tape;
  const Tensor x = tape.watch(zeros({2, 3}));
  const std::string one_shape =
      "; needed one shape; hint: a loss does not broadcast; reshape or expand one of them";
  check_error(
      tape, [&] { return mse(x, zeros({3})); }, "[mse] f32 [2, 3] and targets f32 [3]" + one_shape);
  check_error(
      tape,
      [&] {
        return mae(x, zeros({2, 1}));
      },
      "[mae] f32 [2, 3] and targets f32 [2, 1]" + one_shape);
  check_error(
      tape, [&] { return binary_cross_entropy(x, zeros({2}, i64)); },
      "[binary_cross_entropy] f32 [2, 3] and targets i64 [2]" + one_shape);
  check_error(
      tape, [&] { return huber(x, x, {.delta = 0}); },
      "[huber] delta 0.000000; needed delta > 0; hint: huber(x, y, {.delta = 1})");
  check_error(
      tape,
      [&] {
        return binary_cross_entropy(x, full({2, 3}, 2, i64));
      },
      "[binary_cross_entropy] target 2 at [0, 0]; needed 0 or 1");
  check_error(
      tape,
      [&] {
        return binary_cross_entropy(x, x, {.positive_weight = tensor({1.0, 2.0})});
      },
      "[binary_cross_entropy] positive_weight f32 [2] for logits f32 [2, 3]; needed a "
      "positive_weight that broadcasts to them");
  check_error(
      tape, [&] { return binary_cross_entropy(x, x, {.positive_weight = full({}, -1)}); },
      "[binary_cross_entropy] positive_weight -1.000000 at []; needed finite numbers, none "
      "below 0");
  check_error(
      tape, [&] { return binary_cross_entropy(x, x, {.positive_weight = x}); },
      "[binary_cross_entropy] positive_weight f32 [2, 3] with a history; needed constants; "
      "hint: detach(positive_weight)");
  check_error(
      tape,
      [&] {
        return hinge(x, tensor({{1, -1, 1}, {1, 0, 1}}));
      },
      "[hinge] target 0 at [1, 1]; needed -1 or 1; hint: targets of 0 and 1 become -1 and "
      "1 when they are made");
  check_error(
      tape,
      [&] {
        return hinge(x, ones({2, 3}));
      },
      "[hinge] targets f32 [2, 3]; needed -1 and 1 in i64; hint: targets.to(i64)");
  check_error(
      tape,
      [&] {
        return cosine_similarity(x, zeros({3, 2}));
      },
      "[cosine_similarity] f32 [2, 3] and y f32 [3, 2]" + one_shape);
  check_error(
      tape, [&] { return cosine_similarity(x, x, {.epsilon = -1}); },
      "[cosine_similarity] epsilon -1.000000; needed epsilon >= 0");
  check_error(
      tape,
      [&] {
        return cosine_embedding(x, x, tensor({1, 1, 1}));
      },
      "[cosine_embedding] targets i64 [3] for f32 [2, 3]; needed i64 [2]");
  check_error(
      tape,
      [&] {
        return cosine_embedding(x, x, tensor({1, 2}));
      },
      "[cosine_embedding] target 2 at [1]; needed -1 or 1; hint: targets of 0 and 1 become "
      "-1 and 1 when they are made");
  BOOST_TEST(error_text([&] {
               static_cast<void>(mse(x, zeros({2, 3}, f64)));
             }).starts_with("[mse] f32 [2, 3] and f64 [2, 3]; needed one dtype"));
  BOOST_TEST(error_text([&] { static_cast<void>(mse(Tensor{}, x)); }).find("[mse] predictions") ==
             0);
  BOOST_TEST(error_text([&] { static_cast<void>(hinge(x, Tensor{})); }).find("[hinge] targets") ==
             0);
  BOOST_TEST(error_text([&] {
               static_cast<void>(cosine_similarity(x, x, {.axis = 2}));
             }).find("[cosine_similarity]") == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
