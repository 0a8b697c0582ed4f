#include <cmath>
#include <limits>

#include <boost/test/unit_test.hpp>

#include "optim/model.h"
#include "support/error_text.h"

namespace unroll::test {
namespace {

double norm_of(const Tensor& g) {
  Model model{{"a", zeros(g.shape(), g.dtype())}};
  return gradients(gradient_of(model[0], g)).norm();
}

BOOST_AUTO_TEST_SUITE(clip)

BOOST_AUTO_TEST_CASE(norm_of_all_gradients_together) {
  Model model{{"a", zeros({2})}, {"b", zeros({10, 1})}};
  Gradients g = gradients(gradient_of(model[0], tensor({2.0, -4.0})),
                          gradient_of(model[1], {3, 7}, tensor({{5.0}, {6.0}})));
  const Gradients before = g;
  BOOST_TEST(optim::clip_norm(g, 10) == 9.0);
  BOOST_TEST(all_equal(g[model[0]], tensor({2.0, -4.0})).ok());
  BOOST_TEST(optim::clip_norm(g, 4.5) == 9.0);
  BOOST_TEST(all_equal(g[model[0]], tensor({1.0, -2.0})).ok());
  BOOST_TEST(all_equal(g.find(model[1])->sparse.values, tensor({{2.5}, {3.0}})).ok());
  BOOST_TEST(g.norm() == 4.5);
  BOOST_TEST(before.norm() == 9.0);
}

BOOST_AUTO_TEST_CASE(norm_is_refused_where_it_is_not_finite) {
  Model model{{"a", zeros({2})}};
  Gradients g = gradients(gradient_of(model[0], tensor({1.0, HUGE_VAL})));
  BOOST_TEST(error_text([&] { optim::clip_norm(g, 1); }) ==
             "[clip_norm] gradient of a f32 [2] has 1 infinite, first at [1]; needed finite "
             "values; nothing was changed; hint: Tape tape({.check_finite = true}) finds where it "
             "began");
  BOOST_TEST(error_text([&] {
               optim::clip_value(g, 1);
             }).starts_with("[clip_value] gradient of a f32 [2] has 1 infinite, first at [1];"));
  Gradients rows = gradients(gradient_of(model[0], {4}, tensor({{1.0, std::nan("")}})));
  BOOST_TEST(error_text([&] { optim::clip_norm(rows, 1); })
                 .starts_with("[clip_norm] gradient of a f32 [1, 2] of some rows has 1 NaN, first "
                              "at [0, 1];"));
  Model wide{{"w", zeros({2}, f64)}};
  Gradients large = gradients(gradient_of(wide[0], tensor({1.7e308, 1.7e308}, f64)));
  BOOST_TEST(error_text([&] {
               optim::clip_norm(large, 1);
             }).starts_with("[clip_norm] norm of finite gradients is beyond the range of f64;"));
  BOOST_TEST(g[model[0]].span<float>()[0] == 1.0F);
  BOOST_TEST(error_text([&] { optim::clip_norm(g, 0); }) ==
             "[clip_norm] limit 0; needed limit > 0");
}

BOOST_AUTO_TEST_CASE(value_limits_every_element) {
  Model model{{"a", zeros({4})}, {"b", zeros({10, 1})}};
  Gradients g = gradients(gradient_of(model[0], tensor({2.0, -4.0, 0.25, -0.25})),
                          gradient_of(model[1], {3, 7}, tensor({{0.5}, {-6.0}})));
  const Gradients before = g;
  optim::clip_value(g, 1.5);
  BOOST_TEST(all_equal(g[model[0]], tensor({1.5, -1.5, 0.25, -0.25})).ok());
  BOOST_TEST(all_equal(g.find(model[1])->sparse.values, tensor({{0.5}, {-1.5}})).ok());
  BOOST_TEST(all_equal(before[model[0]], tensor({2.0, -4.0, 0.25, -0.25})).ok());
  BOOST_TEST(error_text([&] { optim::clip_value(g, -1); }) ==
             "[clip_value] limit -1; needed limit > 0");
}

BOOST_AUTO_TEST_CASE(within_a_step_as_before_it) {
  Rng rng(31);
  const Tensor values = normal({1001}, 0, 1, rng, f64), g = normal({1001}, 0, 1, rng, f64);
  Model a{{"a", values}}, b{{"a", values}};
  optim::SGD inside(a.parameters(), {.lr = 0.5}), outside(b.parameters(), {.lr = 0.5});
  Gradients clipped = gradients(gradient_of(b[0], g));
  const double norm = optim::clip_norm(clipped, 2);
  BOOST_TEST(inside.step(gradients(gradient_of(a[0], g)), {.clip_norm = 2}).norm == norm);
  outside.step(clipped);
  BOOST_TEST(all_close(a[0], b[0], {.relative = 1e-15, .absolute = 1e-15}).ok());
  clipped = gradients(gradient_of(b[0], g));
  optim::clip_value(clipped, 0.5);
  inside.step(gradients(gradient_of(a[0], g)), {.clip_value = 0.5});
  outside.step(clipped);
  BOOST_TEST(all_close(a[0], b[0], {.relative = 1e-15, .absolute = 1e-15}).ok());
}

BOOST_AUTO_TEST_CASE(a_norm_below_the_limit_is_left_as_it_is) {
  Model model{{"a", zeros({2})}};
  optim::SGD sgd(model.parameters(), {.lr = 1});
  const auto result =
      sgd.step(gradients(gradient_of(model[0], tensor({3.0, 4.0}))), {.clip_norm = 6});
  BOOST_TEST(result.norm == 5.0);
  BOOST_TEST(result.scale == 1.0);
  BOOST_TEST(all_equal(model[0], tensor({-3.0, -4.0})).ok());
}

BOOST_AUTO_TEST_CASE(finite_gradients_have_a_finite_norm) {
  const Tensor g = tensor({1.0, 2e22});
  BOOST_TEST(std::abs(norm_of(g) / static_cast<double>(2e22F) - 1) < 1e-15);
  Model model{{"a", zeros({2})}};
  optim::SGD sgd(model.parameters(), {.lr = 1});
  sgd.step(gradients(gradient_of(model[0], g)), {.clip_norm = 1});
  BOOST_TEST(model[0].span<float>()[1] == -1.0F);
  constexpr float largest = std::numeric_limits<float>::max();
  BOOST_TEST(std::abs(norm_of(full({4}, largest)) / (2.0 * largest) - 1) < 1e-15);
}

// The factor itself is below what f32 holds with all its digits.
BOOST_AUTO_TEST_CASE(the_largest_gradients_are_clipped_precisely) {
  const Tensor g = tensor({3e38, -3e38, 1e38, 0.0});
  const double norm = norm_of(g);
  for (const double limit : {1.0, 1e-3, 1e-6}) {
    const Tensor expected = (g.to(f64) * (limit / norm)).to(f32);
    Model a{{"a", zeros({4})}}, b{{"a", zeros({4})}};
    optim::SGD sgd(a.parameters(), {.lr = 1});
    sgd.step(gradients(gradient_of(a[0], g)), {.clip_norm = limit});
    BOOST_TEST(all_close(-a[0], expected, {.relative = 1e-6}).ok(), a[0]);
    Gradients clipped = gradients(gradient_of(b[0], g));
    optim::clip_norm(clipped, limit);
    BOOST_TEST(all_close(clipped[b[0]], expected, {.relative = 1e-6}).ok(), clipped[b[0]]);
  }
}

BOOST_AUTO_TEST_CASE(norm_at_both_ends_of_f64) {
  for (const double scale : {1e-310, 1e-200, 1e-160, 1e-100, 1.0, 1e100, 1e160, 1e200, 3e307}) {
    const double norm = norm_of(tensor({3 * scale, -4 * scale}, f64));
    BOOST_TEST(std::abs(norm / (5 * scale) - 1) < 1e-12, scale << " gives " << norm);
  }
  // In one block, and in blocks of their own.
  BOOST_TEST(norm_of(tensor({1e-200, 1.0, 1e200}, f64)) == 1e200);
  BOOST_TEST(norm_of(tensor({1e-200, 1.0}, f64)) == 1.0);
  Model model{{"a", zeros({1}, f64)}, {"b", zeros({1}, f64)}};
  const auto two = [&](double a, double b) {
    return gradients(gradient_of(model[0], full({1}, a, f64)),
                     gradient_of(model[1], full({1}, b, f64)))
        .norm();
  };
  BOOST_TEST(two(1, 1e200) == 1e200);
  BOOST_TEST(two(1e-200, 1e200) == 1e200);
  BOOST_TEST(std::abs(two(3e-136, 4e-136) / 5e-136 - 1) < 1e-12);
  BOOST_TEST(std::abs(two(2e135, 3e135) / (std::sqrt(13.0) * 1e135) - 1) < 1e-12);
  BOOST_TEST(two(0, 0) == 0.0);
  BOOST_TEST(Gradients{}.norm() == 0.0);
  BOOST_TEST(std::isnan(norm_of(tensor({1.0, std::nan("")}, f64))));
  BOOST_TEST(std::isinf(norm_of(tensor({1.0, HUGE_VAL}, f64))));
}

// Against long double, at sizes around the lanes and blocks of the loops.
BOOST_AUTO_TEST_CASE(norm_of_any_size) {
  Rng rng(32);
  for (const Index n : {0, 1, 15, 16, 17, 31, 33, 1000, 32767, 32768, 32769, 100'001})
    for (const DType dtype : {f32, f64}) {
      const Tensor g = normal({n}, 0, 1, rng, dtype);
      long double sum = 0;
      const Tensor exact = g.to(f64);
      for (const double v : exact.span<double>())
        sum += static_cast<long double>(v) * static_cast<long double>(v);
      BOOST_TEST(std::abs(norm_of(g) - static_cast<double>(std::sqrt(sum))) <=
                     1e-14 * static_cast<double>(std::sqrt(sum)),
                 n);
    }
}

BOOST_AUTO_TEST_CASE(norm_is_the_same_on_any_number_of_threads) {
  Rng rng(33);
  for (const DType dtype : {f32, f64}) {
    const Tensor g = normal({300'007}, 0, 1, rng, dtype);
    const auto on = [&](Index threads) {
      const Threads limit(threads);
      return norm_of(g);
    };
    const double one = on(1);
    BOOST_TEST(on(2) == one);
    BOOST_TEST(on(4) == one);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace unroll::test
