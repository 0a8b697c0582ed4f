#include <random>

#include <boost/test/unit_test.hpp>

#include "kernels.h"

// Functions of several variables, their gradients and the gradients of those, against differences
// in long double of the function itself.
namespace {

using namespace simd_test;
using namespace unroll;

using Wide = long double;

// The gradient of sum_k g_k f_k(x) by central differences.
template <class F, int N>
std::array<Wide, N> differences(const F& f, std::array<Wide, N> x, const std::vector<Wide>& g) {
  const auto total = [&] {
    const auto y = std::apply([&](auto... v) { return simd::tuple_of_results(f, v...); }, x);
    return std::apply(
        [&](auto... v) {
          Wide sum = 0;
          std::size_t k = 0;
          ((sum += g[k++] * static_cast<Wide>(v)), ...);
          return sum;
        },
        y);
  };
  std::array<Wide, N> d{};
  for (std::size_t j = 0; j < N; ++j) {
    const Wide h = 1e-5L, at = x[j];
    x[j] = at + h;
    const Wide up = total();
    x[j] = at - h;
    const Wide down = total();
    x[j] = at;
    d[j] = (up - down) / (2 * h);
  }
  return d;
}

// Gradient and second order of a function of N variables; the second order is checked against
// differences of Grad<F>, run on long double.
template <int N, class F>
void check_many(const char* name, const F& f, double low = -1.5, double high = 1.5) {
  constexpr int outputs = simd::outputs_of<F, N>();
  const PointwiseTable& table = simd::pointwise_table<F, N>();
  BOOST_TEST(table.outputs == outputs);
  BOOST_TEST(table.gradient->inputs == N + outputs);
  BOOST_TEST(table.gradient->outputs == N);
  std::mt19937_64 random(11);
  std::uniform_real_distribution<double> points(low, high);
  std::vector<std::vector<double>> x(2 * N + outputs);
  for (auto& v : x)
    while (v.size() < 19) v.push_back(points(random));
  const std::vector<std::vector<double>> first(x.begin(), x.begin() + N + outputs);
  for (const Isa isa : isas_here()) {
    const auto slope = run<double>(*table.gradient, &f, isa, first);
    const auto again = run<double>(*table.gradient->gradient, &f, isa, x);
    for (std::size_t i = 0; i < x[0].size(); ++i) {
      std::array<Wide, N> at{};
      std::array<Wide, N + outputs> both{};
      std::vector<Wide> g, u;
      for (std::size_t j = 0; j < N; ++j) at[j] = x[j][i], u.push_back(x[N + outputs + j][i]);
      for (std::size_t k = 0; k < outputs; ++k) g.push_back(x[N + k][i]);
      for (std::size_t j = 0; j < both.size(); ++j) both[j] = x[j][i];
      const auto d = differences<F, N>(f, at, g);
      const simd::Grad<F, N, outputs> gradient{f};
      const auto d2 = differences<simd::Grad<F, N, outputs>, N + outputs>(gradient, both, u);
      for (std::size_t j = 0; j < N; ++j)
        BOOST_TEST(std::abs(slope[j][i] - d[j]) < 1e-8, name << " gradient " << j);
      for (std::size_t j = 0; j < both.size(); ++j)
        BOOST_TEST(std::abs(again[j][i] - d2[j]) < 1e-8, name << " second order " << j);
    }
  }
}

constexpr auto lstm = [](auto i, auto f, auto g, auto o, auto c0) {
  auto c1 = sigmoid(f) * c0 + sigmoid(i) * tanh(g);
  return std::tuple{sigmoid(o) * tanh(c1), c1};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(simd_gradient)

BOOST_AUTO_TEST_CASE(several_variables) {
  check_many<3>(
      "arithmetic",
      [](auto a, auto b, auto c) {
        return std::tuple{a + b * c, (a - b) / c, c / (a + 2.0), -(b * b)};
      },
      0.5, 1.5);
  check_many<2>("extremes", [](auto a, auto b) {
    return std::tuple{maximum(a, b) * a, minimum(a, b) * b};
  });
  check_many<3>("where", [](auto a, auto b, auto c) {
    return where(a > b, where(c <= 0.2, a * b, c), where(b >= 0.5, exp(c), where(a < 0, 2.0, a)));
  });
  check_many<3>("sum_of", [](auto a, auto b, auto c) { return sum_of(a * b, b, 1, c * c * c); });
  check_many<3>("unused", [](auto a, auto, auto c) { return std::tuple{a, a * c, 3.0}; });
  check_many<3>("mixed", [](auto a, auto b, auto c) {
    auto p = erf(a) * softplus(b) - log1p(c * c) / (2 + sin(a));
    return std::tuple{p * c, sqrt(1 + p * p)};
  });
  check_many<5>("lstm", lstm);
}

BOOST_AUTO_TEST_SUITE_END()
