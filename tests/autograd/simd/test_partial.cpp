#include <random>

#include <boost/test/unit_test.hpp>

#include "kernels.h"

// First and second derivatives of every function against closed forms in long double, and those
// at the awkward points.
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

// f' and f'' of one variable, and where to look.
struct Truth {
  const char* name;
  double low, high;
  Wide (*first)(Wide);
  Wide (*second)(Wide);
};

// Eight functions of one variable each in one lambda of eight variables, through the tables of its
// gradient and of the next one.
template <class T, class F>
void check_eight(const F& f, const std::array<Truth, 8>& truths) {
  const PointwiseTable& table = simd::pointwise_table<F, 8>();
  std::mt19937_64 random(7);
  std::vector<std::vector<T>> x(24);  // arguments, upstream, upstream of the gradient
  for (std::size_t k = 0; k < 24; ++k) {
    const double low = k < 8 ? truths[k].low : -2, high = k < 8 ? truths[k].high : 2;
    std::uniform_real_distribution<double> points(low, high);
    while (x[k].size() < 200) x[k].push_back(static_cast<T>(points(random)));
  }
  for (const Isa isa : isas_here()) {
    const auto slope = run<T>(*table.gradient, &f, isa, {x.begin(), x.begin() + 16});
    const auto again = run<T>(*table.gradient->gradient, &f, isa, x);
    for (std::size_t k = 0; k < 8; ++k)
      for (std::size_t i = 0; i < x[k].size(); ++i) {
        const T at = x[k][i];
        const Wide first = truths[k].first(at), second = truths[k].second(at);
        const Wide g = x[8 + k][i], u = x[16 + k][i];
        close(truths[k].name, isa, at, slope[k][i], g * first);
        close(truths[k].name, isa, at, again[k][i], u * g * second);
        close(truths[k].name, isa, at, again[8 + k][i], u * first);
      }
  }
}

Wide logistic(Wide x) { return 1 / (1 + std::exp(-x)); }
Wide logistic_slope(Wide x) { return logistic(x) * logistic(-x); }
Wide tanh_slope(Wide x) { return 1 - std::tanh(x) * std::tanh(x); }
Wide bell(Wide x) { return 1.12837916709551257390L * std::exp(-x * x); }
Wide exponential(Wide x) { return std::exp(x); }
Wide sine(Wide x) { return std::sin(x); }
Wide cosine(Wide x) { return std::cos(x); }
Wide zero(Wide) { return 0; }

template <class F>
std::vector<double> slopes(const F& f, const std::vector<double>& x) {
  return run<double>(*simd::pointwise_table<F, 1, 1>().gradient, &f, Isa::baseline,
                     {x, std::vector<double>(x.size(), 1.0)})[0];
}

}  // namespace

BOOST_AUTO_TEST_SUITE(simd_partial)

BOOST_AUTO_TEST_CASE(transcendental) {
  const auto f = [](auto a, auto b, auto c, auto d, auto e, auto g, auto h, auto i) {
    return std::tuple{exp(a), expm1(b), log(c), log1p(d), tanh(e), sigmoid(g), softplus(h), erf(i)};
  };
  const std::array<Truth, 8> truths = {{
      {"exp", -3, 3, exponential, exponential},
      {"expm1", -30, 3, exponential, exponential},
      {"log", 0.1, 9, [](Wide x) { return 1 / x; }, [](Wide x) { return -1 / (x * x); }},
      {"log1p", -0.9, 9, [](Wide x) { return 1 / (1 + x); },
       [](Wide x) { return -1 / ((1 + x) * (1 + x)); }},
      {"tanh", -4, 4, tanh_slope, [](Wide x) { return -2 * std::tanh(x) * tanh_slope(x); }},
      {"sigmoid", -9, 9, logistic_slope,
       [](Wide x) { return logistic_slope(x) * (1 - 2 * logistic(x)); }},
      {"softplus", -9, 9, logistic, logistic_slope},
      {"erf", -4, 4, bell, [](Wide x) { return -2 * x * bell(x); }},
  }};
  check_eight<float>(f, truths);
  check_eight<double>(f, truths);
}

BOOST_AUTO_TEST_CASE(algebraic) {
  const auto f = [](auto a, auto b, auto c, auto d, auto e, auto g, auto h, auto i) {
    return std::tuple{sin(a), cos(b), sqrt(c),    square(d),
                      abs(e), 1 / g,  -h / 3 + 2, horner(i, 1, 2.5, -3, 0.5F)};
  };
  const std::array<Truth, 8> truths = {{
      {"sin", -9, 9, cosine, [](Wide x) { return -sine(x); }},
      {"cos", -9, 9, [](Wide x) { return -sine(x); }, [](Wide x) { return -cosine(x); }},
      {"sqrt", 0.1, 9, [](Wide x) { return 0.5L / std::sqrt(x); },
       [](Wide x) { return -0.25L / (x * std::sqrt(x)); }},
      {"square", -9, 9, [](Wide x) { return 2 * x; }, [](Wide) { return Wide(2); }},
      {"abs", -9, 9, [](Wide x) { return Wide(x > 0 ? 1 : -1); }, zero},
      {"1 / x", 0.5, 9, [](Wide x) { return -1 / (x * x); },
       [](Wide x) { return 2 / (x * x * x); }},
      {"-x / 3 + 2", -9, 9, [](Wide) { return -1 / 3.0L; }, zero},
      {"horner", -2, 2, [](Wide x) { return 2.5L - 6 * x + 1.5L * x * x; },
       [](Wide x) { return -6 + 3 * x; }},
  }};
  check_eight<float>(f, truths);
  check_eight<double>(f, truths);
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
  const auto d = run<double>(*simd::pointwise_table<decltype(of_two), 2, 1>().gradient, &of_two,
                             Isa::baseline, {{3.0}, {3.0}, {1.0}});
  BOOST_TEST(d[0][0] == 11);
  BOOST_TEST(d[1][0] == 0);
}

// The branch not taken may be infinite or NaN, and so may its derivatives.
BOOST_AUTO_TEST_CASE(branch_not_taken) {
  const auto f = [](auto x, auto y) {
    return where(x > 0, log(x) * sqrt(x) / x, y) + where(x > 0, y, sqrt(x) * y);
  };
  const PointwiseTable& table = simd::pointwise_table<decltype(f), 2, 1>();
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

// Nor may an infinite or NaN upstream gradient, or slope of an outer function, bring back what was
// not taken: exactly 0 where f does not depend on x, and what is bad wherever it does.
template <class F>
void check_gates(const char* name, const F& f, const std::vector<bool>& counts) {
  const std::vector<double> x{1, -1, 4, 12, -12};
  const double inf = std::numeric_limits<double>::infinity();
  const PointwiseTable& table = simd::pointwise_table<F, 1>();
  for (const Isa isa : isas_here())
    for (const double bad : {inf, -inf, std::nan("")}) {
      const std::vector<double> ones(x.size(), 1), all(x.size(), bad);
      const auto first = run<double>(*table.gradient, &f, isa, {x, all})[0];
      const auto again = run<double>(*table.gradient->gradient, &f, isa, {x, ones, all});
      for (std::size_t i = 0; i < x.size(); ++i) {
        BOOST_TEST_CONTEXT(name << " at " << x[i] << ", upstream " << bad) {
          BOOST_TEST((counts[i] ? !std::isfinite(first[i]) : first[i] == 0));
          BOOST_TEST((counts[i] ? !std::isfinite(again[1][i]) : again[1][i] == 0));
          BOOST_TEST((counts[i] || again[0][i] == 0));
        }
      }
    }
}

BOOST_AUTO_TEST_CASE(gates) {
  const bool on = true, off = false;
  check_gates("where", [](auto x) { return where(x > 0, x, 3); }, {1, 0, 1, 1, 0});
  check_gates("second arm", [](auto x) { return where(x > 0, 3, x); }, {0, 1, 0, 0, 1});
  check_gates("root behind it", [](auto x) { return sqrt(where(x > 0, x, 0)); }, {1, 0, 1, 1, 0});
  check_gates("nested", [](auto x) { return where(x < 9, 2 * where(x > 0, x, 0), 3); },
              {1, 0, 1, 0, 0});
  check_gates("in both arms",
              [](auto x) { return where(x > 0, where(x < 9, x, 1), where(x < -9, x * x, 1)); },
              {1, 0, 1, 0, 1});
  check_gates("in the second arm", [](auto x) { return where(x > 0, x, where(x < -9, x, 1)); },
              {1, 0, 1, 1, 1});
  check_gates("in the first arm", [](auto x) { return where(x > 0, where(x > 3, x, 1), x); },
              {0, 1, 1, 1, 1});
  check_gates("added", [](auto x) { return where(x > 9, x, 1) + 3 * where(x < -9, x, 1); },
              {0, 0, 0, 1, 1});
  check_gates("one for all",
              [on, off](auto x) { return where(on, where(off, x, 1) + where(x > 0, x, 1), x); },
              {1, 0, 1, 1, 0});
  check_gates("none", [off](auto x) { return where(off, x, where(x > 0, where(off, x, 1), 2)); },
              {0, 0, 0, 0, 0});
  check_gates("maximum", [](auto x) { return maximum(x, 4); }, {0, 0, 1, 1, 0});
  check_gates("minimum", [](auto x) { return minimum(1, x); }, {0, 1, 0, 0, 1});
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
