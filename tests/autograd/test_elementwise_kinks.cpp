// Values and derivatives where a function has a corner, a pole or a tie: exact.
#include <unroll/unroll.h>

#include <cmath>
#include <limits>

#include <boost/test/unit_test.hpp>

#include "support/numeric.h"

namespace unroll::test {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

struct Kink {
  const char* name;
  Tensor (*f)(const Tensor&);
  double x, value, slope;
};

Tensor unit_clamp(const Tensor& x) { return clamp(x, {.low = -1, .high = 1}); }
Tensor leaky_tenth(const Tensor& x) { return leaky_relu(x, 0.125); }
Tensor elu_one_and_half(const Tensor& x) { return elu(x, 1.5); }
template <int K>
Tensor power(const Tensor& x) {
  return pow(x, K / 2.0);
}

const Kink kinks[] = {
    {"relu", relu, 0, 0, 0},
    {"relu", relu, -0.0, 0, 0},
    {"relu", relu, inf, inf, 1},
    {"relu", relu, -inf, 0, 0},
    {"abs", abs, 0, 0, 0},
    {"abs", abs, -0.0, 0, 0},
    {"abs", abs, -inf, inf, -1},
    {"sign", sign, 0, 0, 0},
    {"sign", sign, -0.0, 0, 0},
    {"sign", sign, inf, 1, 0},
    {"sqrt", sqrt, 0, 0, inf},
    {"rsqrt", rsqrt, 0, inf, -inf},
    {"log", log, 0, -inf, inf},
    {"log1p", log1p, -1, -inf, inf},
    {"leaky_relu", leaky_tenth, 0, 0, 0.125},
    {"leaky_relu", leaky_tenth, -0.0, 0, 0.125},
    {"elu", elu_one_and_half, 0, 0, 1.5},
    {"elu", elu_one_and_half, -inf, -1.5, 0},
    {"softsign", softsign, 0, 0, 1},
    {"hard_sigmoid", hard_sigmoid, -3, 0, 1.0 / 6},
    {"hard_sigmoid", hard_sigmoid, 3, 1, 1.0 / 6},
    {"hard_sigmoid", hard_sigmoid, -3.25, 0, 0},
    {"hard_sigmoid", hard_sigmoid, 3.25, 1, 0},
    {"hard_sigmoid", hard_sigmoid, -inf, 0, 0},
    {"clamp", unit_clamp, -1, -1, 1},
    {"clamp", unit_clamp, 1, 1, 1},
    {"clamp", unit_clamp, 1.25, 1, 0},
    {"clamp", unit_clamp, -inf, -1, 0},
    {"clamp", unit_clamp, inf, 1, 0},
    {"x^0", power<0>, 0, 1, 0},
    {"x^0", power<0>, -2, 1, 0},
    {"x^0", power<0>, inf, 1, 0},
    {"x^0", power<0>, nan, 1, 0},
    {"x^0.5", power<1>, 0, 0, inf},
    {"x^0.5", power<1>, -0.0, 0, inf},
    {"x^0.5", power<1>, inf, inf, 0},
    {"x^0.5", power<1>, -inf, inf, 0},
    {"x^1", power<2>, 0, 0, 1},
    {"x^1", power<2>, -3, -3, 1},
    {"x^1.5", power<3>, 0, 0, 0},
    {"x^1.5", power<3>, -1, nan, nan},
    {"x^2", power<4>, 0, 0, 0},
    {"x^2", power<4>, -3, 9, -6},
    {"x^3", power<6>, -2, -8, 12},
    {"x^5", power<10>, -2, -32, 80},
    {"x^-1", power<-2>, 0, inf, -inf},
    {"x^-1", power<-2>, -0.0, -inf, -inf},
    {"x^-2", power<-4>, -2, 0.25, 0.25},
    {"0^x", [](const Tensor& x) { return pow(0.0, x); }, 2, 0, 0},
    {"0^x", [](const Tensor& x) { return pow(0.0, x); }, 0, 1, 0},
    {"0^x", [](const Tensor& x) { return pow(0.0, x); }, -1, inf, -inf},
    {"(-2)^x", [](const Tensor& x) { return pow(-2.0, x); }, 3, -8, nan},
    {"1^x", [](const Tensor& x) { return pow(1.0, x); }, nan, 1, 0},
    {"max(x, 1)", [](const Tensor& x) { return maximum(x, 1.0); }, 1, 1, 1},
    {"max(1, x)", [](const Tensor& x) { return maximum(1.0, x); }, 1, 1, 1},
    {"min(x, 1)", [](const Tensor& x) { return minimum(x, 1.0); }, 1, 1, 1},
    {"min(x, 1)", [](const Tensor& x) { return minimum(x, 1.0); }, 2, 1, 0},
};

bool same(double a, double b, double relative) {
  return (std::isnan(a) && std::isnan(b)) || a == b || std::abs(a - b) <= relative * std::abs(b);
}

void check(const Kink& k, DType dtype, bool differentiable) {
  Tape tape;
  const Tensor x = tape.watch(full({3}, k.x, dtype));
  const Tensor y = k.f(x);
  const Tensor g = tape.gradient(sum(y), x, {.differentiable = differentiable});
  const double relative = dtype == f64 ? 0 : 1e-7;  // 1/6 is another number there
  for (const double value : values(y))
    BOOST_TEST(same(value, k.value, relative), k.name << " of " << k.x << " is " << value);
  for (const double slope : values(g))
    BOOST_TEST(same(slope, k.slope, relative),
               k.name << " has slope " << slope << " at " << k.x << ", not " << k.slope);
}

std::pair<double, double> slopes(Tensor (*f)(const Tensor&, const Tensor&), double x, double y) {
  Tape tape;
  const Tensor a = tape.watch(full({}, x, f64));
  const Tensor b = tape.watch(full({}, y, f64));
  const auto [ga, gb] = tape.gradient(f(a, b), {a, b});
  return {ga.item(), gb.item()};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(elementwise_kinks)

// 0 · inf: stated for all, since no rule looks at what it is given. A choice of y comes too late,
// one of x, or within one pointwise function, does not.
BOOST_AUTO_TEST_CASE(an_infinite_derivative_makes_nan_of_nothing) {
  constexpr auto root_or_zero = [](auto x) { return where(x > 0.0, sqrt(x), 0.0); };
  const auto slope_at_0 = [](auto f) {
    Tape tape;
    const Tensor x = tape.watch(tensor({0.0, 4.0}, f64));
    return values(tape.gradient(select(f(x), 0, 1), x))[0];
  };
  for (auto* f : {static_cast<Tensor (*)(const Tensor&)>(sqrt), rsqrt, log})
    BOOST_TEST(std::isnan(slope_at_0(f)));
  BOOST_TEST(std::isnan(slope_at_0([](const Tensor& x) { return where(x > 0.0, sqrt(x), 0.0); })));
  BOOST_TEST(slope_at_0([](const Tensor& x) { return sqrt(where(x > 0.0, x, 1.0)); }) == 0);
  BOOST_TEST(slope_at_0([&](const Tensor& x) { return pointwise(root_or_zero, x); }) == 0);
}

BOOST_AUTO_TEST_CASE(one_tensor) {
  for (const Kink& k : kinks)
    for (const DType dtype : {f32, f64})
      for (const bool differentiable : {false, true}) check(k, dtype, differentiable);
}

// Of equals the first, and a NaN goes to the one that holds it.
BOOST_AUTO_TEST_CASE(ties) {
  using Pair = std::pair<double, double>;
  for (const auto f : {static_cast<Tensor (*)(const Tensor&, const Tensor&)>(maximum),
                       static_cast<Tensor (*)(const Tensor&, const Tensor&)>(minimum)}) {
    BOOST_TEST((slopes(f, 2, 2) == Pair(1, 0)));
    BOOST_TEST((slopes(f, 0, -0.0) == Pair(1, 0)));
    BOOST_TEST((slopes(f, inf, inf) == Pair(1, 0)));
    BOOST_TEST((slopes(f, nan, 1) == Pair(1, 0)));
    BOOST_TEST((slopes(f, 1, nan) == Pair(0, 1)));
  }
  BOOST_TEST((slopes(maximum, 1, 2) == Pair(0, 1)));
  BOOST_TEST((slopes(minimum, 1, 2) == Pair(1, 0)));
}

BOOST_AUTO_TEST_CASE(powers_of_two_tensors) {
  const auto at = [](double x, double y) {
    return slopes([](const Tensor& a, const Tensor& b) { return pow(a, b); }, x, y);
  };
  using Pair = std::pair<double, double>;
  BOOST_TEST((at(0, 1) == Pair(1, 0)));
  BOOST_TEST((at(0, 2) == Pair(0, 0)));
  BOOST_TEST((at(0, 0) == Pair(0, 0)));
  BOOST_TEST((at(0, 0.5) == Pair(inf, 0)));
  BOOST_TEST((at(0, -1) == Pair(-inf, -inf)));
  BOOST_TEST((at(1, 7) == Pair(7, 0)));
  BOOST_TEST(at(-2, 3).first == 12);
  BOOST_TEST(std::isnan(at(-2, 3).second));
  BOOST_TEST(std::isnan(at(-2, 0.5).first));
}

// The second derivative of x^1 and x^2 at 0 is finite as well.
BOOST_AUTO_TEST_CASE(second_derivatives_of_powers) {
  for (const auto& [exponent, expected] :
       {std::pair{0.0, 0.0}, {1.0, 0.0}, {2.0, 2.0}, {3.0, 0.0}}) {
    Tape tape;
    const Tensor x = tape.watch(zeros({4}, f64));
    const Tensor g = tape.gradient(sum(pow(x, exponent)), x, {.differentiable = true});
    const Tensor second = tape.gradient(sum(g), x, {.unreached = Unreached::zero});
    for (const double s : values(second)) BOOST_TEST(s == expected, "x^" << exponent);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
