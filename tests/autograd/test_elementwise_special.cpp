// Zeros with their sign, infinities, NaN and denormals through every elementwise operation.
#include <unroll/autograd/operation.h>
#include <unroll/unroll.h>

#include <cmath>
#include <limits>
#include <set>
#include <string_view>

#include <boost/test/unit_test.hpp>

#include "autograd/simd/kernels.h"
#include "check_variants/operand_layouts.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

using Wide = long double;

struct Row {
  const char* name;
  Tensor (*f)(const Tensor&);
  Wide (*reference)(Wide);
  double ulps;  // against long double; denormal results count in units of the least denormal
};

Wide reference_sigmoid(Wide x) { return 1 / (1 + std::exp(-x)); }
Wide reference_softplus(Wide x) {
  return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}
Wide choose(bool first, Wide a, Wide b) { return first ? a : b; }
constexpr Wide selu_scale = 1.0507009873554804934193349852946L;
constexpr Wide selu_alpha = 1.6732632423543772848170429916717L;

const Row rows[] = {
    {"exp", exp, std::exp, 2},
    {"expm1", expm1, std::expm1, 3},
    {"log", log, std::log, 2},
    {"log1p", log1p, std::log1p, 2},
    {"sqrt", sqrt, std::sqrt, 0.5001},
    {"rsqrt", rsqrt, [](Wide x) { return 1 / std::sqrt(x); }, 1.5},
    {"square", square, [](Wide x) { return x * x; }, 0.5001},
    {"abs", abs, std::abs, 0},
    {"sign", sign, [](Wide x) { return x > 0   ? 1
                                       : x < 0 ? -1
                                               : x; }, 0},
    {"tanh", tanh, std::tanh, 3},
    {"sigmoid", sigmoid, reference_sigmoid, 3},
    {"softplus", softplus, reference_softplus, 2},
    {"log_sigmoid", log_sigmoid, [](Wide x) { return -reference_softplus(-x); }, 2},
    {"softsign", softsign, [](Wide x) { return x / (1 + std::abs(x)); }, 2},
    {"erf", erf, std::erf, 2},
    {"sin", sin, std::sin, 3},
    {"cos", cos, std::cos, 3},
    {"relu", relu, [](Wide x) { return x > 0 || x != x ? x : 0; }, 0},
    {"hard_sigmoid", hard_sigmoid, [](Wide x) { return x < -3  ? 0
                                                       : x > 3 ? 1
                                                               : (x + 3) / 6; }, 1},
    {"leaky_relu", [](const Tensor& x) { return leaky_relu(x, 0.25); },
     [](Wide x) { return choose(x > 0, x, x / 4); }, 0.5001},
    {"elu", [](const Tensor& x) { return elu(x); },
     [](Wide x) { return choose(x > 0, x, std::expm1(x)); }, 3},
    {"selu", selu, [](Wide x) { return selu_scale * choose(x > 0, x, selu_alpha * std::expm1(x)); },
     4},
    {"silu", silu, [](Wide x) { return x * reference_sigmoid(x); }, 4},
    {"clamp", [](const Tensor& x) { return clamp(x, {.low = -0.5, .high = 2}); },
     [](Wide x) { return x < -0.5L ? -0.5L
                         : x > 2   ? 2
                                   : x; }, 0},
    {"x^1.5", [](const Tensor& x) { return pow(x, 1.5); }, [](Wide x) { return std::pow(x, 1.5L); },
     1},
    {"x^2", [](const Tensor& x) { return pow(x, 2); }, [](Wide x) { return x * x; }, 0.5001},
    {"x^-1", [](const Tensor& x) { return pow(x, -1); }, [](Wide x) { return 1 / x; }, 0.5001},
    {"x^0.5", [](const Tensor& x) { return pow(x, 0.5); }, [](Wide x) { return std::pow(x, 0.5L); },
     0.5001},
    {"x^3", [](const Tensor& x) { return pow(x, 3); }, [](Wide x) { return x * x * x; }, 1.5},
    {"0.5^x", [](const Tensor& x) { return pow(0.5, x); }, [](Wide x) { return std::pow(0.5L, x); },
     1},
};

template <class T>
std::vector<T> specials() {
  using L = std::numeric_limits<T>;
  std::vector<T> all;
  for (const T x : {T(0), L::infinity(), L::quiet_NaN(), L::denorm_min(), L::min() / 2, L::min(),
                    L::epsilon(), T(0.5), T(1), T(3), T(40), L::max()})
    for (const T s : {x, -x}) all.push_back(s);
  return all;
}

template <class T>
void check(const Row& f, const std::vector<T>& x) {
  const Tensor y = f.f(from(std::span<const T>(x), {std::ssize(x)}));
  const auto found = y.template span<T>();
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Wide wanted = f.reference(x[i]);
    const double off = simd_test::ulps(found[i], wanted);
    BOOST_TEST(off <= f.ulps, f.name << "(" << x[i] << ") is " << found[i] << ", not "
                                     << static_cast<double>(wanted) << ": " << off << " ulp");
    if (wanted == 0)
      BOOST_TEST(std::signbit(found[i]) == std::signbit(wanted),
                 f.name << "(" << x[i] << ") is a zero of the wrong sign");
  }
}

// Operations that leave elements out: theirs may be NaN (tests/autograd/test_choose.cpp).
const std::set<std::string_view> choosing{"where", "where_number", "masked_fill", "dropout"};

// The operand with columns between its rows, so that every row of packets has a tail.
Tensor apart(const Tensor& x) {
  const Tensor wide = concat({x, x}, -1);
  return slice(wide, {.axis = -1, .from = 0, .to = x.size(-1)});
}

void check_nan(const Operation& operation, const CheckCase& c, DType dtype, Rng& rng) {
  const Shape shape{3, 37};
  std::vector<Tensor> leaves;
  for (const CheckInput& input : c.inputs)
    leaves.push_back(checks::draw(input, shape, rng).to(dtype));
  for (std::size_t i = 0; i < leaves.size(); ++i)
    for (Index bad = 0; bad < shape.size(); ++bad)
      for (const bool gaps : {false, true}) {
        std::vector<Tensor> in = leaves;
        in[i] = with_element(in[i], bad, std::nan("")).to(dtype);
        if (gaps)
          for (Tensor& x : in) x = apart(x);
        const auto y = values(c.call(in));
        for (Index k = 0; k < std::ssize(y); ++k)
          BOOST_REQUIRE_MESSAGE(
              std::isnan(y[static_cast<std::size_t>(k)]) == (k == bad),
              operation.name << ": NaN at " << bad << " of input " << i << ", result " << k);
      }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(elementwise_special)

BOOST_AUTO_TEST_CASE(values_as_in_long_double) {
  for (const Row& f : rows) {
    check<float>(f, specials<float>());
    check<double>(f, specials<double>());
  }
}

// One NaN in any position of any operand is NaN in that position of the result and nowhere else.
BOOST_AUTO_TEST_CASE(nan_in_every_position) {
  Rng rng(31);
  int operations = 0;
  for (const Operation* operation : registered_operations()) {
    if (operation->check == nullptr || choosing.contains(operation->name)) continue;
    const Check row = operation->check();
    if (!row.elementwise) continue;
    ++operations;
    for (const CheckCase& c : row.cases) {
      if (c.name.starts_with("to the power of 0")) continue;  // x^0 does not look at x
      for (const DType dtype : {f32, f64}) check_nan(*operation, c, dtype, rng);
    }
  }
  BOOST_TEST(operations > 35);
}

// What is left at the ends of its range: limits that the formula does not reach.
BOOST_AUTO_TEST_CASE(undefined_at_infinity) {
  const double inf = std::numeric_limits<double>::infinity();
  for (const auto f : {silu, gelu}) BOOST_TEST(std::isnan(f(full({}, -inf, f64)).item()));
  BOOST_TEST(gelu(full({}, inf, f64)).item() == inf);
  BOOST_TEST(gelu(full({}, 0, f64)).item() == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
