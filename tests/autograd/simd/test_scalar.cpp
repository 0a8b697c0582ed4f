#include <boost/test/unit_test.hpp>

#include "kernels.h"

// One lambda on double, float, packets and partials; and a user's namespace that uses both ours
// and <cmath>.
namespace {

using namespace simd_test;
using namespace unroll;

constexpr auto everything = [](auto x, auto y) {
  auto a = tanh(x) * sigmoid(y) + softplus(x * y) - erf(y / 2);
  auto b = where(x > y, exp(x), expm1(y)) + maximum(x, y) * minimum(x, 0.25);
  auto c = log(1 + square(x)) + log1p(abs(y)) + sqrt(2 + sin(x) * cos(y));
  return sum_of(a, b, c, horner(x, 1, 0.5, y));
};

}  // namespace

BOOST_AUTO_TEST_SUITE(simd_scalar)

BOOST_AUTO_TEST_CASE(same_numbers_everywhere) {
  for (const double x : {-2.5, -0.5, 0.375, 1.75})
    for (const double y : {-1.5, 0.125, 2.0}) {
      const double on_double = everything(x, y);
      const double on_float = everything(static_cast<float>(x), static_cast<float>(y));
      BOOST_TEST(std::abs(on_float - on_double) < 1e-5);
      const auto partial = everything(simd::detail::seed<0>(x), simd::detail::seed<1>(y));
      BOOST_TEST(partial.v == on_double);
      const double h = 1e-6;
      const double slope = (everything(x + h, y) - everything(x - h, y)) / (2 * h);
      BOOST_TEST(std::abs(simd::detail::part<0>(partial) - slope) < 1e-7);
      for (const Isa isa : isas_here()) {
        const PointwiseTable& table = simd::pointwise_table<decltype(everything), 2, 1>();
        const double on_packet = run<double>(table, &everything, isa, {{x}, {y}})[0][0];
        BOOST_TEST(std::abs(on_packet - on_double) < 1e-13);
        const auto d = run<double>(*table.gradient, &everything, isa, {{x}, {y}, {1.0}});
        BOOST_TEST(std::abs(d[0][0] - simd::detail::part<0>(partial)) < 1e-13);
        BOOST_TEST(std::abs(d[1][0] - simd::detail::part<1>(partial)) < 1e-13);
      }
    }
}

BOOST_AUTO_TEST_CASE(numbers) {
  const double q = std::numeric_limits<double>::quiet_NaN();
  BOOST_TEST(sigmoid(0) == 0.5);
  static_assert(std::is_same_v<decltype(sigmoid(0)), double>);
  static_assert(std::is_same_v<decltype(sigmoid(0.0F)), float>);
  BOOST_TEST(sigmoid(-800.0) == 0);
  BOOST_TEST(sigmoid(-700.0) == std::exp(-700.0), boost::test_tools::tolerance(1e-15));
  BOOST_TEST(softplus(800.0) == 800);
  BOOST_TEST(softplus(-40.0) == std::exp(-40.0), boost::test_tools::tolerance(1e-15));
  BOOST_TEST(maximum(1, 2.5) == 2.5);
  BOOST_TEST(minimum(1, 2.5) == 1);
  BOOST_TEST((std::isnan(maximum(q, 1.0)) && std::isnan(maximum(1.0, q))));
  BOOST_TEST((std::isnan(minimum(q, 1.0)) && std::isnan(minimum(1.0, q))));
  BOOST_TEST(where(true, 1, 2.5) == 1);
  BOOST_TEST(where(false, 1, 2.5) == 2.5);
  BOOST_TEST(square(-3) == 9);
  BOOST_TEST(horner(2.0, 1, 2, 3) == 17);
  BOOST_TEST(sum_of(1, 2.5, 3) == 6.5);
  BOOST_TEST(tanh(1.0) == std::tanh(1.0));  // not ambiguous beside the one of <cmath>
}

BOOST_AUTO_TEST_SUITE_END()
