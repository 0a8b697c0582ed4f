#include <bit>
#include <random>

#include <boost/test/unit_test.hpp>

#include "kernels.h"

// Every function against long double over its whole range: half of the points even, half over all
// exponents alike.
namespace {

using namespace simd_test;

template <class T>
std::vector<T> points(double low, double high) {
  constexpr int count = 40000;
  std::mt19937_64 random(12345);
  std::vector<T> x;
  std::uniform_real_distribution<double> even(low, high);
  while (x.size() < count / 2) x.push_back(static_cast<T>(even(random)));
  using Bits = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
  while (x.size() < count) {
    const T v = std::bit_cast<T>(static_cast<Bits>(random()));
    if (v >= low && v <= high) x.push_back(v);
  }
  return x;
}

template <class T, class F, class R>
void check_range(const char* name, F f, R reference, double low, double high, double most) {
  const std::vector<T> x = points<T>(low, high);
  for (const Isa isa : isas_here()) {
    const std::vector<T> y = map(f, isa, x);
    double worst = 0;
    T at = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double e = ulps(y[i], reference(static_cast<long double>(x[i])));
      if (e > worst) worst = e, at = x[i];
    }
    BOOST_TEST(worst <= most, name << (sizeof(T) == 8 ? " f64 " : " f32 ") << name_of(isa)
                                   << " is off by " << worst << " at " << at << ", most " << most);
  }
}

constexpr double all = 1e308;

// On f32 a wide range is cut to the one that f32 has.
template <class F, class R>
void check(const char* name, F f, R reference, double low, double high, double most) {
  constexpr double f32_most = 3.4e38;
  check_range<float>(name, f, reference, std::max(low, -f32_most), std::min(high, f32_most), most);
  check_range<double>(name, f, reference, low, high, most);
}

long double sigmoid_reference(long double x) {
  return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x));
}
long double softplus_reference(long double x) {
  return (x > 0 ? x : 0) + std::log1p(std::exp(-std::abs(x)));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(simd_accuracy)

BOOST_AUTO_TEST_CASE(exponentials) {
  const auto f = [](auto x) { return exp(x); };
  const auto reference = [](long double x) { return std::exp(x); };
  check("exp", f, reference, -110, 92, 2);
  check("exp", f, reference, -750, 711, 2);
  const auto g = [](auto x) { return expm1(x); };
  const auto less_one = [](long double x) { return std::expm1(x); };
  check("expm1", g, less_one, -2, 2, 2.5);
  check("expm1", g, less_one, -750, 711, 2.5);
}

BOOST_AUTO_TEST_CASE(logarithms) {
  const auto f = [](auto x) { return log(x); };
  const auto reference = [](long double x) { return std::log(x); };
  check("log", f, reference, 0.5, 2, 1.5);
  check("log", f, reference, 0, all, 1.5);
  const auto g = [](auto x) { return log1p(x); };
  const auto of_one_more = [](long double x) { return std::log1p(x); };
  check("log1p", g, of_one_more, -1, 2, 1.5);
  check("log1p", g, of_one_more, -1, all, 1.5);
}

BOOST_AUTO_TEST_CASE(hyperbolic_tangent) {
  const auto f = [](auto x) { return tanh(x); };
  const auto reference = [](long double x) { return std::tanh(x); };
  check("tanh", f, reference, -2, 2, 3);
  check("tanh", f, reference, -22, 22, 3);
  check("tanh", f, reference, -all, all, 3);
}

BOOST_AUTO_TEST_CASE(sigmoids) {
  const auto f = [](auto x) { return sigmoid(x); };
  check("sigmoid", f, sigmoid_reference, -8, 8, 3);
  check("sigmoid", f, sigmoid_reference, -110, 110, 3);
  check("sigmoid", f, sigmoid_reference, -750, 750, 3);
  const auto g = [](auto x) { return softplus(x); };
  check("softplus", g, softplus_reference, -8, 8, 2);
  check("softplus", g, softplus_reference, -110, 110, 2);
  check("softplus", g, softplus_reference, -750, 750, 2);
}

BOOST_AUTO_TEST_CASE(error_function) {
  const auto f = [](auto x) { return erf(x); };
  const auto reference = [](long double x) { return std::erf(x); };
  check("erf", f, reference, -2, 2, 2);
  check("erf", f, reference, -all, all, 2);
}

BOOST_AUTO_TEST_CASE(sine_and_cosine) {
  const auto f = [](auto x) { return sin(x); };
  const auto g = [](auto x) { return cos(x); };
  const auto sine = [](long double x) { return std::sin(x); };
  const auto cosine = [](long double x) { return std::cos(x); };
  check("sin", f, sine, -4, 4, 2);
  check("cos", g, cosine, -4, 4, 2);
  check("sin", f, sine, -2e4, 2e4, 3);
  check("cos", g, cosine, -2e4, 2e4, 3);
  check_range<double>("sin", f, sine, -1e6, 1e6, 3);
  check_range<double>("cos", g, cosine, -1e6, 1e6, 3);
  check("sin", f, sine, -1e15, 1e15, 3);
  check("cos", g, cosine, -1e15, 1e15, 3);
}

BOOST_AUTO_TEST_CASE(root_and_square) {
  check(
      "sqrt", [](auto x) { return sqrt(x); }, [](long double x) { return std::sqrt(x); }, 0, all,
      0.5001);
  check(
      "square", [](auto x) { return square(x); }, [](long double x) { return x * x; }, -1e15, 1e15,
      0.5001);
  check(
      "abs", [](auto x) { return abs(x); }, [](long double x) { return std::abs(x); }, -all, all,
      0);
}

BOOST_AUTO_TEST_SUITE_END()
