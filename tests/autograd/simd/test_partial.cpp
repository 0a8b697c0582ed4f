#include <random>

#include <boost/test/unit_test.hpp>

#include "kernels.h"

// First and second derivatives, of single functions against closed forms in long double, of
// functions of several variables against differences in long double of the function itself.
namespace {

using namespace simd_test;
using namespace unroll;

using Wide = long double;

template <class T>
constexpr double tolerance = 0;
template <>
constexpr double tolerance<float> = 4e-6;
template <>
constexpr double tolerance<double> = 1e-14;

template <class T>
void close(const char* name, Isa isa, T x, T y, Wide expected) {
  const Wide scale = std::max<Wide>(1, std::abs(expected));
  BOOST_TEST((std::abs(y - expected) <= tolerance<T> * scale),
             name << " at " << x << " " << name_of(isa) << " gave " << y << ", not " << expected);
}

// f' and f'' at points of an interval, through the tables of f, its gradient and the next one.
template <class T, class F, class D1, class D2>
void check_one(const char* name, F f, D1 first, D2 second, double low, double high) {
  const PointwiseTable& table = simd::pointwise_table<F, 1>();
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> points(low, high), factors(-2, 2);
  std::vector<T> x, g, u;
  for (int i = 0; i < 200; ++i) {
    x.push_back(static_cast<T>(points(random)));
    g.push_back(static_cast<T>(factors(random)));
    u.push_back(static_cast<T>(factors(random)));
  }
  for (const Isa isa : isas_here()) {
    const auto slope = run<T>(*table.gradient, &f, isa, {x, g});
    const auto again = run<T>(*table.gradient->gradient, &f, isa, {x, g, u});
    for (std::size_t i = 0; i < x.size(); ++i) {
      close(name, isa, x[i], slope[0][i], Wide(g[i]) * Wide(first(x[i])));
      close(name, isa, x[i], again[0][i], Wide(u[i]) * g[i] * Wide(second(x[i])));
      close(name, isa, x[i], again[1][i], Wide(u[i]) * Wide(first(x[i])));
    }
  }
}

template <class F, class D1, class D2>
void check(const char* name, F f, D1 first, D2 second, double low, double high) {
  check_one<float>(name, f, first, second, low, high);
  check_one<double>(name, f, first, second, low, high);
}

Wide logistic(Wide x) { return 1 / (1 + std::exp(-x)); }
Wide bell(Wide x) { return 1.12837916709551257390L * std::exp(-x * x); }

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

template <class F>
std::vector<double> slopes(const F& f, const std::vector<double>& x) {
  return run<double>(*simd::pointwise_table<F, 1>().gradient, &f, Isa::baseline,
                     {x, std::vector<double>(x.size(), 1.0)})[0];
}

constexpr auto lstm = [](auto i, auto f, auto g, auto o, auto c0, auto pi, auto pf) {
  auto c1 = sigmoid(f + pf * c0) * c0 + sigmoid(i + pi * c0) * tanh(g);
  return std::tuple{sigmoid(o) * tanh(c1), c1};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(simd_partial)

BOOST_AUTO_TEST_CASE(one_variable) {
  const auto e = [](Wide x) { return std::exp(x); };
  check(
      "exp", [](auto x) { return exp(x); }, e, e, -3, 3);
  check(
      "expm1", [](auto x) { return expm1(x); }, e, e, -30, 3);
  check(
      "log", [](auto x) { return log(x); }, [](Wide x) { return 1 / x; },
      [](Wide x) { return -1 / (x * x); }, 0.1, 9);
  check(
      "log1p", [](auto x) { return log1p(x); }, [](Wide x) { return 1 / (1 + x); },
      [](Wide x) { return -1 / ((1 + x) * (1 + x)); }, -0.9, 9);
  check(
      "tanh", [](auto x) { return tanh(x); },
      [](Wide x) { return 1 - std::tanh(x) * std::tanh(x); },
      [](Wide x) { return -2 * std::tanh(x) * (1 - std::tanh(x) * std::tanh(x)); }, -4, 4);
  const auto slope = [](Wide x) { return logistic(x) * logistic(-x); };
  check(
      "sigmoid", [](auto x) { return sigmoid(x); }, slope,
      [&](Wide x) { return slope(x) * (1 - 2 * logistic(x)); }, -9, 9);
  check(
      "softplus", [](auto x) { return softplus(x); }, logistic, slope, -9, 9);
  check(
      "erf", [](auto x) { return erf(x); }, bell, [](Wide x) { return -2 * x * bell(x); }, -4, 4);
  check(
      "sin", [](auto x) { return sin(x); }, [](Wide x) { return std::cos(x); },
      [](Wide x) { return -std::sin(x); }, -9, 9);
  check(
      "cos", [](auto x) { return cos(x); }, [](Wide x) { return -std::sin(x); },
      [](Wide x) { return -std::cos(x); }, -9, 9);
  check(
      "sqrt", [](auto x) { return sqrt(x); }, [](Wide x) { return 0.5L / std::sqrt(x); },
      [](Wide x) { return -0.25L / (x * std::sqrt(x)); }, 0.1, 9);
  check(
      "square", [](auto x) { return square(x); }, [](Wide x) { return 2 * x; },
      [](Wide) { return 2; }, -9, 9);
  check(
      "abs", [](auto x) { return abs(x); }, [](Wide x) { return x > 0 ? 1 : -1; },
      [](Wide) { return 0; }, -9, 9);
  check(
      "1 / x", [](auto x) { return 1 / x; }, [](Wide x) { return -1 / (x * x); },
      [](Wide x) { return 2 / (x * x * x); }, 0.5, 9);
  check(
      "-x / 3 + 2", [](auto x) { return -x / 3 + 2; }, [](Wide) { return -1 / 3.0L; },
      [](Wide) { return 0; }, -9, 9);
  check(
      "horner", [](auto x) { return horner(x, 1, 2.5, -3, 0.5F); },
      [](Wide x) { return 2.5L - 6 * x + 1.5L * x * x; }, [](Wide x) { return -6 + 3 * x; }, -2, 2);
}

BOOST_AUTO_TEST_CASE(several_variables) {
  check_many<2>("a + b", [](auto a, auto b) { return a + b; });
  check_many<2>("a - b", [](auto a, auto b) { return a - b; });
  check_many<2>("a * b", [](auto a, auto b) { return a * b; });
  check_many<2>(
      "a / b", [](auto a, auto b) { return a / b; }, 0.5, 1.5);
  check_many<2>("maximum", [](auto a, auto b) { return maximum(a, b) * a; });
  check_many<2>("minimum", [](auto a, auto b) { return minimum(a, b) * b; });
  check_many<3>("where", [](auto a, auto b, auto c) {
    return where(a > b, where(c <= 0.2, a * b, c), where(b >= 0.5, exp(c), where(a < 0, 2.0, a)));
  });
  check_many<3>("sum_of", [](auto a, auto b, auto c) { return sum_of(a * b, b, 1, c * c * c); });
  check_many<3>("unused", [](auto a, auto, auto c) { return std::tuple{a, a * c, 3.0}; });
  check_many<5>("mixed", [](auto a, auto b, auto c, auto d, auto e) {
    auto p = erf(a) * softplus(b) - log1p(c * c) / (2 + sin(d));
    return std::tuple{p * e, expm1(p) + cos(e), sqrt(1 + p * p)};
  });
  check_many<7>("lstm", lstm);
}

BOOST_AUTO_TEST_CASE(awkward_points) {
  const double inf = std::numeric_limits<double>::infinity();
  const auto near = [](double a, double b) { return a == b; };
  BOOST_TEST(slopes([](auto x) { return abs(x); }, {0.0, -0.0, 2, -2}) ==
                 (std::vector<double>{0, 0, 1, -1}),
             boost::test_tools::per_element());
  BOOST_TEST(slopes([](auto x) { return where(x > 0, x, 0); }, {0.0, -0.0, 2, -2}) ==
                 (std::vector<double>{0, 0, 1, 0}),
             boost::test_tools::per_element());
  BOOST_TEST(near(slopes([](auto x) { return sqrt(x); }, {0.0})[0], inf));
  const auto clamp = [](auto x) { return minimum(maximum(x, -1.0), 1.0); };
  BOOST_TEST(slopes(clamp, {-2, -1, 0, 1, 2}) == (std::vector<double>{0, 1, 1, 1, 0}),
             boost::test_tools::per_element());
  // Of equals the first.
  const auto of_two = [](auto a, auto b) { return maximum(a, b) + 10 * minimum(a, b); };
  const auto d = run<double>(*simd::pointwise_table<decltype(of_two)>().gradient, &of_two,
                             Isa::baseline, {{3.0}, {3.0}, {1.0}});
  BOOST_TEST(d[0][0] == 11);
  BOOST_TEST(d[1][0] == 0);
}

// The branch not taken may be infinite or NaN, and so may its derivatives.
BOOST_AUTO_TEST_CASE(branch_not_taken) {
  const auto f = [](auto x, auto y) {
    return where(x > 0, log(x) * sqrt(x) / x, y) + where(x > 0, y, sqrt(x) * y);
  };
  const PointwiseTable& table = simd::pointwise_table<decltype(f)>();
  for (const Isa isa : isas_here()) {
    const auto d = run<double>(*table.gradient, &f, isa, {{1.0, 4.0}, {2, 2}, {1, 1}});
    const auto first = run<double>(*table.gradient, &f, isa, {{-1.0, 0.0}, {2, 2}, {1, 1}});
    BOOST_TEST(std::isfinite(d[0][0]));
    BOOST_TEST(d[1][0] == 1);
    BOOST_TEST(std::isnan(first[0][0]));  // sqrt(-1) is taken here
    const auto g = [](auto x, auto y) { return where(x > 0, log(x) / x, y); };
    const auto other = run<double>(*simd::pointwise_table<decltype(g)>().gradient, &g, isa,
                                   {{0, -3}, {2, 2}, {1, 1}});
    const auto second = run<double>(*simd::pointwise_table<decltype(g)>().gradient->gradient, &g,
                                    isa, {{0, -3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}});
    for (std::size_t i = 0; i < 2; ++i) {
      BOOST_TEST(other[0][i] == 0);
      BOOST_TEST(other[1][i] == 1);
      BOOST_TEST(second[0][i] == 0);
      BOOST_TEST(second[1][i] == 0);
      BOOST_TEST(second[2][i] == 1);
    }
  }
}

// What is known to be one, constant or absent costs nothing: it is in the type.
BOOST_AUTO_TEST_CASE(sparse_by_type) {
  using simd::One;
  using simd::Partial;
  using P = simd::baseline::Packet<float>;
  const auto x = simd::detail::seed<0>(P(1));
  const auto y = simd::detail::seed<3>(P(2));
  static_assert(std::is_same_v<decltype(x + y), Partial<9, P, One, One>>);
  static_assert(std::is_same_v<decltype(x + 1), Partial<1, P, One>>);
  static_assert(std::is_same_v<decltype(2 * x), Partial<1, P, double>>);
  static_assert(std::is_same_v<decltype(x * y), Partial<9, P, P, P>>);
  BOOST_TEST((x * y).v.v[0] == 2);
}

BOOST_AUTO_TEST_SUITE_END()
