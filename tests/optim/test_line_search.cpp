#include <unroll/optim/detail/line_search.h>

#include <cmath>
#include <random>

#include <boost/test/unit_test.hpp>

namespace unroll::test {
namespace {

BOOST_AUTO_TEST_SUITE(line_search)

// Whatever it returns fulfils both conditions, on random functions with several minima.
BOOST_AUTO_TEST_CASE(line_search_fulfils_the_conditions_of_wolfe) {
  std::mt19937_64 random(52);
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (int trial = 0; trial < 500; ++trial) {
    const double a = uniform(random), b = 3 * uniform(random), c = std::exp(5 * uniform(random)),
                 d = 0.01 + std::abs(uniform(random));
    const auto phi = [&](double t) {
      const double u = t * c;
      return optim::detail::LinePoint{.t = t,
                                      .loss = d * (u - 2) * (u - 2) + std::sin(3 * u + b) + a * u,
                                      .slope = c * (2 * d * (u - 2) + 3 * std::cos(3 * u + b) + a)};
    };
    const auto start = phi(0);
    if (start.slope > -1e-3) continue;
    const auto found =
        optim::detail::strong_wolfe(phi, start, std::exp(6 * uniform(random)), 1e-12);
    BOOST_TEST(found.t > 0);
    BOOST_TEST(found.loss <= start.loss + 1e-4 * found.t * start.slope);
    BOOST_TEST(std::abs(found.slope) <= 0.9 * std::abs(start.slope));
    BOOST_TEST(found.loss == phi(found.t).loss);
  }
}

BOOST_AUTO_TEST_CASE(line_search_comes_back_from_where_nothing_is_finite) {
  const auto phi = [](double t) {  // log has an end at t = 1
    return optim::detail::LinePoint{
        .t = t, .loss = -std::log(1 - t) - 3 * t, .slope = 1 / (1 - t) - 3};
  };
  const auto found = optim::detail::strong_wolfe(phi, phi(0), 64, 1e-12);
  BOOST_TEST(found.t > 0.05);
  BOOST_TEST(found.t < 0.97);
  BOOST_TEST(std::abs(found.slope) <= 0.9 * 2);
}

BOOST_AUTO_TEST_CASE(line_search_ends_where_it_goes_down_for_ever) {
  int trials = 0;
  const auto phi = [&](double t) {
    ++trials;
    return optim::detail::LinePoint{.t = t, .loss = -t, .slope = -1};
  };
  const auto found = optim::detail::strong_wolfe(phi, phi(0), 1, 1e-12);
  BOOST_TEST(found.t > 1e18);
  BOOST_TEST(trials < 30);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace unroll::test
