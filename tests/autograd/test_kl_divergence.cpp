#include <unroll/unroll.h>

#include <cmath>
#include <limits>

#include <boost/test/unit_test.hpp>

#include "support/numeric.h"

namespace unroll::test {

constexpr double infinity = std::numeric_limits<double>::infinity();

BOOST_AUTO_TEST_SUITE(divergence)

BOOST_AUTO_TEST_CASE(agrees_with_long_double_and_is_least_at_itself) {
  Rng rng(5);
  const Tensor x = uniform({5, 9}, -6, 6, rng, f64);
  const Tensor t = uniform({5, 9}, -6, 6, rng, f64);
  const auto a = values(x), b = values(t);
  const Tensor y = kl_divergence(x, t, {.reduction = Reduction::none});
  for (std::size_t row = 0; row < 5; ++row) {
    long double sum_a = 0, sum_b = 0, expected = 0;
    for (std::size_t c = 0; c < 9; ++c) {
      sum_a += std::exp(static_cast<long double>(a[row * 9 + c]));
      sum_b += std::exp(static_cast<long double>(b[row * 9 + c]));
    }
    for (std::size_t c = 0; c < 9; ++c) {
      const long double log_p = a[row * 9 + c] - std::log(sum_a);
      const long double log_t = b[row * 9 + c] - std::log(sum_b);
      expected += std::exp(log_t) * (log_t - log_p);
    }
    BOOST_TEST(std::abs(values(y)[row] - expected) <= 1e-14 * (1 + expected));
  }
  BOOST_TEST(kl_divergence(x, x).item() == 0.0);
  // Log-probabilities are logits.
  BOOST_TEST(all_close(kl_divergence(log_softmax(x), log_softmax(t)), kl_divergence(x, t),
                       {.relative = 1e-14}));
}

BOOST_AUTO_TEST_CASE(a_class_that_the_target_forbids_adds_nothing) {
  for (const DType dtype : {f32, f64}) {
    Tape tape;
    const Tensor x = tape.watch(tensor({{0.5, -3.0, 1.0}}, dtype));
    const Tensor t = tape.watch(tensor({{0.0, -infinity, 0.0}}, dtype));
    const Tensor y = kl_divergence(x, t);
    BOOST_TEST(std::isfinite(y.item()));
    auto [gx, gt] = tape.gradient(y, {x, t});
    for (const double g : values(gx.to(f64))) BOOST_TEST(std::isfinite(g));
    for (const double g : values(gt.to(f64))) BOOST_TEST(std::isfinite(g));
    BOOST_TEST(values(gt.to(f64))[1] == 0.0);
    BOOST_TEST(kl_divergence(detach(t), detach(x)).item() == infinity);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
