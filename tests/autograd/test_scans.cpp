// Running sums against brute force, and where they go wrong elsewhere.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
const double nan = std::numeric_limits<double>::quiet_NaN();

Tensor list(const std::vector<double>& v) {
  return from(std::span<const double>(v), {std::ssize(v)});
}

// log Σ e^x in long double, shifted by the largest.
double log_of_sum(const std::vector<double>& x, std::size_t n) {
  const auto end = x.begin() + static_cast<std::ptrdiff_t>(n);
  const long double largest = *std::max_element(x.begin(), end);
  long double sum = 0;
  for (auto at = x.begin(); at != end; ++at) sum += std::exp(*at - largest);
  return static_cast<double>(largest + std::log(sum));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(scans)

BOOST_AUTO_TEST_CASE(logarithms_of_running_sums_of_any_size) {
  Rng rng(2);
  for (const double spread : {1.0, 50.0, 800.0, 1e30}) {
    std::vector<double> x(300);
    for (double& v : x) v = spread * (2 * rng.uniform() - 1);
    for (const DType dtype : {f32, f64}) {
      const Tensor given = list(x).to(dtype);
      const auto exact = values(given);
      const auto y = values(logcumsumexp(given, 0));
      const double unit = dtype == f32 ? 1.2e-7 : 2.3e-16;
      for (std::size_t n = 1; n <= x.size(); ++n) {
        const double expected = log_of_sum(exact, n);
        BOOST_REQUIRE(std::abs(y[n - 1] - expected) <=
                      (dtype == f32 ? 1 : 8) * unit * std::max(1.0, std::abs(expected)));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(infinities_and_nan_in_a_running_sum) {
  const auto y = values(logcumsumexp(list({-inf, -inf, 2.0, -inf, inf, 1.0}), 0));
  BOOST_TEST(y[0] == -inf);
  BOOST_TEST(y[1] == -inf);
  BOOST_TEST(y[2] == 2.0);
  BOOST_TEST(y[3] == 2.0);
  BOOST_TEST(y[4] == inf);
  BOOST_TEST(y[5] == inf);
  for (const bool differentiable : {false, true}) {
    Tape tape;
    const Tensor x = tape.watch(list({-inf, -inf, 2.0, -inf, inf, 1.0}));
    const Tensor g = tape.gradient(sum(logcumsumexp(x, 0)), x, {.differentiable = differentiable});
    BOOST_TEST(all_equal(detach(g), list({0.0, 0.0, 2.0, 0.0, 0.0, 0.0})));
  }
  for (std::size_t at = 0; at < 9; ++at) {
    std::vector<double> x(9, 0.5);
    x[at] = nan;
    const auto sums = values(cumsum(list(x), 0));
    const auto logs = values(logcumsumexp(list(x), 0));
    const auto back = values(logcumsumexp(list(x), 0, {.reverse = true}));
    for (std::size_t k = 0; k < 9; ++k) {
      BOOST_TEST(std::isnan(sums[k]) == (k >= at));
      BOOST_TEST(std::isnan(logs[k]) == (k >= at));
      BOOST_TEST(std::isnan(back[k]) == (k <= at));
    }
  }
}

// The second derivative with respect to an upstream gradient that is 0 in places.
BOOST_AUTO_TEST_CASE(an_upstream_gradient_of_zero_is_differentiable) {
  Tape tape;
  const Tensor x = tape.watch(list({0.3, -0.2, 0.5}));
  const Tensor w = tape.watch(list({0.0, 0.0, 1.0}));
  const Tensor g = tape.gradient(logcumsumexp(x, 0), x, {.upstream = w, .differentiable = true});
  // Σ g = Σ w: each is a mean over what it has summed.
  BOOST_TEST(all_close(tape.gradient(sum(g), w), ones({3}, f64), {.relative = 1e-14}));
}

BOOST_AUTO_TEST_CASE(sums_of_many_f32_in_double) {
  const Index n = 3'000'000;
  const Tensor y = cumsum(full({n}, 0.1), 0);
  const double expected = static_cast<double>(0.1F) * static_cast<double>(n);
  BOOST_TEST(std::abs(select(y, 0, n - 1).item() / expected - 1) < 6e-8);
}

BOOST_AUTO_TEST_CASE(views_empty_tensors_and_errors) {
  const Tensor x = tensor({{1.0, 2.0}, {3.0, 4.0}, {5.0, 6.0}}, f64);
  BOOST_TEST(all_equal(cumsum(transpose(x, 0, 1), 1), contiguous(transpose(cumsum(x, 0), 0, 1))));
  BOOST_TEST(all_equal(cumsum(expand(tensor({1.0}), {3}), 0), tensor({1.0, 2.0, 3.0})));
  BOOST_TEST(all_equal(cumsum(x, 0, {.reverse = true}),
                       tensor({{9.0, 12.0}, {8.0, 10.0}, {5.0, 6.0}}, f64)));
  BOOST_TEST(cumsum(zeros({0, 3}), 0).shape() == (Shape{0, 3}));
  BOOST_TEST(logcumsumexp(zeros({3, 0}), 1).shape() == (Shape{3, 0}));
  BOOST_CHECK_THROW(static_cast<void>(cumsum(full({}, 1), 0)), Error);
  BOOST_CHECK_THROW(static_cast<void>(logcumsumexp(tensor({1, 2}), 0)), Error);
  BOOST_CHECK_THROW(static_cast<void>(cumsum(Tensor{}, 0)), Error);
}

BOOST_AUTO_TEST_CASE(same_bits_on_any_number_of_threads) {
  const auto compute = [] {
    Rng rng(6);
    Tape tape;
    const Tensor x = tape.watch(uniform({501, 203}, -3, 3, rng));
    const Tensor y = cumsum(x, 0) * logcumsumexp(x, 1);
    return std::array{detach(y), tape.gradient(sum(y), x)};
  };
  set_threads(1);
  const auto alone = compute();
  for (const Index count : {2, 4}) {
    set_threads(count);
    const auto together = compute();
    for (std::size_t i = 0; i < 2; ++i) BOOST_TEST(all_equal(together[i], alone[i]));
  }
  set_threads(0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
