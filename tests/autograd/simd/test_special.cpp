#include <boost/test/unit_test.hpp>

#include "kernels.h"

// Zeros with their sign, infinities, NaN, denormals and the bounds of overflow, and NaN in every
// lane. Zero results are compared with their sign.
namespace {

using namespace simd_test;

template <class T>
constexpr T inf = std::numeric_limits<T>::infinity();
template <class T>
constexpr T nan = std::numeric_limits<T>::quiet_NaN();

template <class T>
void same(const char* name, Isa isa, T x, T y, T expected, double most) {
  const bool zero_ok = expected != 0 || std::signbit(y) == std::signbit(expected);
  BOOST_TEST((ulps(y, expected) <= most && zero_ok),
             name << "(" << x << ") " << name_of(isa) << " gave " << y << ", not " << expected);
}

template <class T>
struct Case {
  T x, y;
};

template <class T, class F>
void check(const char* name, F f, const std::vector<Case<T>>& cases, double most = 0) {
  for (const Isa isa : isas_here())
    for (const auto& c : cases) {
      const std::vector<T> y = map(f, isa, std::vector<T>(17, c.x));
      for (const T v : y) same(name, isa, c.x, v, c.y, most);
    }
}

#define UNROLL_TEST_FUNCTION(name) constexpr auto f_##name = [](auto x) { return name(x); }
UNROLL_TEST_FUNCTION(exp);
UNROLL_TEST_FUNCTION(expm1);
UNROLL_TEST_FUNCTION(log);
UNROLL_TEST_FUNCTION(log1p);
UNROLL_TEST_FUNCTION(tanh);
UNROLL_TEST_FUNCTION(sigmoid);
UNROLL_TEST_FUNCTION(softplus);
UNROLL_TEST_FUNCTION(erf);
UNROLL_TEST_FUNCTION(sin);
UNROLL_TEST_FUNCTION(cos);
UNROLL_TEST_FUNCTION(sqrt);
UNROLL_TEST_FUNCTION(abs);
#undef UNROLL_TEST_FUNCTION

template <class T>
void check_all() {
  const T z = T(0), m = T(-0.0), i = inf<T>, q = nan<T>;
  const T least = std::numeric_limits<T>::denorm_min();
  const T normal = std::numeric_limits<T>::min();
  const T largest = std::numeric_limits<T>::max();
  check<T>("exp", f_exp, {{z, 1}, {m, 1}, {i, i}, {-i, 0}, {q, q}, {largest, i}, {-largest, 0}});
  check<T>("expm1", f_expm1,
           {{z, z},
            {m, m},
            {i, i},
            {-i, -1},
            {q, q},
            {largest, i},
            {-largest, -1},
            {least, least},
            {-least, -least},
            {normal, normal}});
  check<T>("log", f_log, {{z, -i}, {m, -i}, {1, z}, {i, i}, {-i, q}, {-1, q}, {-least, q}, {q, q}});
  check<T>("log", f_log,
           {{least, std::log(least)}, {normal, std::log(normal)}, {largest, std::log(largest)}}, 2);
  check<T>("log1p", f_log1p,
           {{z, z},
            {m, m},
            {-1, -i},
            {-2, q},
            {i, i},
            {-i, q},
            {q, q},
            {least, least},
            {-least, -least},
            {normal, normal}});
  check<T>("log1p", f_log1p, {{largest, std::log1p(largest)}}, 2);
  check<T>(
      "tanh", f_tanh,
      {{z, z}, {m, m}, {i, 1}, {-i, -1}, {q, q}, {largest, 1}, {-largest, -1}, {40, 1}, {-40, -1}});
  check<T>("tanh", f_tanh, {{least, least}, {-least, -least}, {normal, normal}}, 1);
  check<T>("sigmoid", f_sigmoid,
           {{z, T(0.5)},
            {m, T(0.5)},
            {i, 1},
            {-i, 0},
            {q, q},
            {largest, 1},
            {-largest, 0},
            {least, T(0.5)}});
  check<T>("softplus", f_softplus, {{i, i}, {-i, 0}, {q, q}, {largest, largest}, {-largest, 0}});
  check<T>("softplus", f_softplus, {{z, std::log(T(2))}, {m, std::log(T(2))}}, 1);
  check<T>(
      "erf", f_erf,
      {{z, z}, {m, m}, {i, 1}, {-i, -1}, {q, q}, {largest, 1}, {-largest, -1}, {7, 1}, {-7, -1}});
  check<T>("erf", f_erf, {{least, least}, {normal, T(1.1283791670955126L * normal)}}, 1);
  check<T>("sin", f_sin, {{z, z}, {m, m}, {i, q}, {-i, q}, {q, q}, {least, least}});
  check<T>("cos", f_cos, {{z, 1}, {m, 1}, {i, q}, {-i, q}, {q, q}, {least, 1}});
  check<T>("sqrt", f_sqrt, {{z, z}, {m, m}, {i, i}, {-1, q}, {q, q}, {4, 2}});
  check<T>("abs", f_abs, {{z, z}, {m, z}, {i, i}, {-i, i}, {q, q}, {-least, least}, {-2, 2}});
}

// A NaN in one lane is a NaN in that lane and in no other.
template <class T, class F>
void check_lanes(const char* name, F f) {
  constexpr std::size_t n = 35;
  for (const Isa isa : isas_here())
    for (std::size_t bad = 0; bad < n; ++bad) {
      std::vector<T> x(n, T(0.5));
      x[bad] = nan<T>;
      const std::vector<T> y = map(f, isa, x);
      for (std::size_t i = 0; i < n; ++i)
        BOOST_TEST(std::isnan(y[i]) == (i == bad), name << " lane " << i << " of " << bad);
    }
}

// What stands in the other lanes changes no bit of an element: behind the last element of a tensor
// they hold whatever is in memory.
template <class T, class F>
void check_neighbours(const char* name, F f) {
  constexpr std::size_t n = 35;
  std::vector<T> x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = T(0.1) + T(0.37) * static_cast<T>(i % 7);
  for (const Isa isa : isas_here()) {
    const std::vector<T> expected = map(f, isa, x);
    for (const T odd : {nan<T>, inf<T>, -inf<T>, std::numeric_limits<T>::max(), T(-1e10), T(0)})
      for (std::size_t at = 0; at < n; ++at) {
        std::vector<T> beside = x;
        for (std::size_t i = 0; i < n; ++i)
          if (i % 2 != at % 2) beside[i] = odd;
        BOOST_TEST(map(f, isa, beside)[at] == expected[at],
                   name << "(" << x[at] << ") beside " << odd << ", " << name_of(isa));
      }
  }
}

void for_each_function(const auto& both) {
  both("exp", f_exp), both("expm1", f_expm1), both("log", f_log), both("log1p", f_log1p);
  both("tanh", f_tanh), both("sigmoid", f_sigmoid), both("softplus", f_softplus);
  both("erf", f_erf), both("sin", f_sin), both("cos", f_cos), both("sqrt", f_sqrt);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(simd_special)

BOOST_AUTO_TEST_CASE(single) { check_all<float>(); }
BOOST_AUTO_TEST_CASE(twice) { check_all<double>(); }

BOOST_AUTO_TEST_CASE(bounds) {
  // Around the largest argument of exp, and down to the denormals.
  float f = 88.7228F;
  for (int i = 0; i < 12; ++i, f = std::nextafter(f, inf<float>))
    check<float>("exp", f_exp, {{f, static_cast<float>(std::exp(static_cast<double>(f)))}}, 1);
  double d = 709.7827128933838;
  for (int i = 0; i < 12; ++i, d = std::nextafter(d, inf<double>))
    check<double>("exp", f_exp, {{d, static_cast<double>(std::exp(static_cast<long double>(d)))}},
                  1);
  for (const float x : {-87.5F, -95.0F, -103.0F, -103.9F, -104.5F}) {
    const float e = static_cast<float>(std::exp(static_cast<double>(x)));
    check<float>("exp", f_exp, {{x, e}}, 1);
    check<float>("sigmoid", f_sigmoid, {{x, e}}, 1);
    check<float>("softplus", f_softplus, {{x, e}}, 1);
  }
  for (const double x : {-708.5, -720.0, -745.1, -746.0}) {
    const double e = static_cast<double>(std::exp(static_cast<long double>(x)));
    check<double>("exp", f_exp, {{x, e}}, 1);
    check<double>("sigmoid", f_sigmoid, {{x, e}}, 1);
    check<double>("softplus", f_softplus, {{x, e}}, 1);
  }
}

// The payload of a NaN must not leak into an exponent.
BOOST_AUTO_TEST_CASE(odd_nans) {
  const auto check_nans = [](auto odd) {
    using T = decltype(odd);
    for (const T x : {odd, -odd}) {
      check<T>("exp", f_exp, {{x, x}});
      check<T>("expm1", f_expm1, {{x, x}});
      check<T>("log", f_log, {{x, x}});
      check<T>("log1p", f_log1p, {{x, x}});
      check<T>("tanh", f_tanh, {{x, x}});
      check<T>("sigmoid", f_sigmoid, {{x, x}});
      check<T>("softplus", f_softplus, {{x, x}});
      check<T>("erf", f_erf, {{x, x}});
      check<T>("sin", f_sin, {{x, x}});
    }
  };
  check_nans(__builtin_nanf("0x1ff"));
  check_nans(__builtin_nan("0xfff"));
}

BOOST_AUTO_TEST_CASE(nan_lanes) {
  const auto both = [](const char* name, auto f) {
    check_lanes<float>(name, f);
    check_lanes<double>(name, f);
  };
  for_each_function(both);
  both("abs", f_abs);
  both("maximum(x, 1)", [](auto x) { return maximum(x, 1); });
  both("maximum(1, x)", [](auto x) { return maximum(1, x); });
  both("minimum(x, 1)", [](auto x) { return minimum(x, 1); });
  both("minimum(1, x)", [](auto x) { return minimum(1, x); });
}

BOOST_AUTO_TEST_CASE(neighbours) {
  const auto both = [](const char* name, auto f) {
    check_neighbours<float>(name, f);
    check_neighbours<double>(name, f);
  };
  for_each_function(both);
}

// |tanh| and |erf| never exceed 1, sigmoid stays in [0, 1].
BOOST_AUTO_TEST_CASE(bounded) {
  std::vector<float> x;
  for (int i = -12000; i <= 12000; ++i) x.push_back(static_cast<float>(i) * 1e-3F);
  for (const Isa isa : isas_here()) {
    for (const float y : map(f_tanh, isa, x)) BOOST_TEST(std::abs(y) <= 1);
    for (const float y : map(f_erf, isa, x)) BOOST_TEST(std::abs(y) <= 1);
    for (const float y : map(f_sigmoid, isa, x)) BOOST_TEST((y >= 0 && y <= 1));
  }
}

BOOST_AUTO_TEST_SUITE_END()
