#include <unroll/autograd/operation.h>

#include <bit>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <random>

#include <boost/test/unit_test.hpp>

#include "kernels.h"

// Every function of one variable against long double over its whole range: half of the points even,
// half over all exponents alike. What the record states as its accuracy is what it is held to.
namespace {

using namespace simd_test;
using Wide = long double;

// Where to look: the middle, and everything that is not trivial. On f32 a wide range is cut to the
// one that f32 has.
struct Function {
  const char* name;
  Wide (*reference)(Wide);
  double low, high;   // everything
  double middle = 3;  // within this distance of 0
  double number = 1;  // what the function captures, if it does
  bool of_x = false;  // errors are counted in the last place of x, not of the result
};

constexpr double all = 1e308;

Wide logistic(Wide x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); }
Wide soft(Wide x) { return (x > 0 ? x : 0) + std::log1p(std::exp(-std::abs(x))); }
// The doubles that the function itself uses.
constexpr Wide selu_scale = 1.0507009873554804934193349852946;
constexpr Wide selu_alpha = 1.6732632423543772848170429916717;

const Function functions[] = {
    {"exp", std::exp, -750, 711, 90},
    {"expm1", std::expm1, -750, 711, 2},
    {"log", std::log, 0, all, 2},
    {"log1p", std::log1p, -1, all, 2},
    {"sqrt", std::sqrt, 0, all},
    {"rsqrt", [](Wide x) { return 1 / std::sqrt(x); }, 0, all},
    {"square", [](Wide x) { return x * x; }, -1e15, 1e15},
    {"abs", std::abs, -all, all},
    {"tanh", std::tanh, -all, all, 10},
    {"sigmoid", logistic, -750, 750, 50},
    {"softplus", soft, -750, 750, 20},
    {"log_sigmoid", [](Wide x) { return -soft(-x); }, -750, 750, 20},
    {"softsign", [](Wide x) { return x / (1 + std::abs(x)); }, -all, all},
    {"erf", std::erf, -all, all},
    {"sin", std::sin, -1e15, 1e15, 2e4},
    {"cos", std::cos, -1e15, 1e15, 2e4},
    {"relu", [](Wide x) { return x > 0 ? x : 0; }, -all, all},
    {"hard_sigmoid", [](Wide x) { return x < -3  ? 0
                                         : x > 3 ? 1
                                                 : (x + 3) / 6; }, -all, all},
    {"leaky_relu", [](Wide x) { return x > 0 ? x : x * Wide(0.0625); }, -all, all, 3, 0.0625},
    {"elu", [](Wide x) { return x > 0 ? x : std::expm1(x); }, -750, all},
    {"selu", [](Wide x) { return selu_scale * (x > 0 ? x : selu_alpha * std::expm1(x)); }, -750,
     1e30},
    {"silu", [](Wide x) { return x * logistic(x); }, -80, 1e30, 20},
    {"gelu", [](Wide x) { return 0.5L * x * std::erfc(-x / std::sqrt(2.0L)); }, -all, 1e30, 6, 0,
     true},
    {"pow_number", [](Wide x) { return std::pow(x, Wide(2.5)); }, 0, 1e15, 2, 2.5},
    {"pow_number", [](Wide x) { return x * x * x; }, -1e5, 1e5, 2, 3},
    {"pow_number", [](Wide x) { return x * x; }, -1e15, 1e15, 2, 2},
    {"pow_number", [](Wide x) { return 1 / x; }, -1e15, 1e15, 2, -1},
    {"pow_number", std::sqrt, 0, all, 2, 0.5},
    {"pow_number", [](Wide x) { return x; }, -all, all, 2, 1},
    {"pow_number", [](Wide) -> Wide { return 1; }, -all, all, 2, 0},
    {"sign", [](Wide x) -> Wide { return x > 0   ? 1
                                         : x < 0 ? -1
                                                 : 0; }, -all, all},
    {"number_pow", [](Wide x) { return std::pow(Wide(1.5), x); }, -250, 250, 2, 1.5},
};

template <class T>
std::vector<T> points(double low, double high, std::size_t count, std::mt19937_64& random) {
  std::vector<T> x;
  std::uniform_real_distribution<double> even(low / 2, high / 2);  // halves: no overflow
  while (x.size() < count / 2) x.push_back(static_cast<T>(2 * even(random)));
  using Bits = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
  while (x.size() < count) {
    const T v = std::bit_cast<T>(static_cast<Bits>(random()));
    if (v >= low && v <= high) x.push_back(v);
  }
  return x;
}

template <class T>
double error(const Function& f, T x, T y, Wide reference) {
  if (!f.of_x || !std::isfinite(y)) return ulps(y, reference);
  const Wide off = std::abs(static_cast<Wide>(y) - reference);
  return ulps(x, static_cast<Wide>(x) + std::copysign(off, -static_cast<Wide>(x)));
}

struct Worst {
  double ulps = 0, at = 0;
  Isa isa = Isa::baseline;
};

template <class T>
Worst measure(const Function& f, const PointwiseTable& table, std::size_t count) {
  const double most = sizeof(T) == 8 ? all : 3.4e38;
  const double low = std::max(f.low, -most), high = std::min(f.high, most);
  const double number = f.number;
  std::mt19937_64 random(12345);
  Worst worst;
  constexpr std::size_t piece = 20000;
  for (std::size_t done = 0; done < count; done += piece) {
    const bool middle = done / piece % 2 == 0;
    const auto x = points<T>(middle ? std::max(low, -f.middle) : low,
                             middle ? std::min(high, f.middle) : high, piece, random);
    std::vector<Wide> reference;
    for (const T v : x) reference.push_back(f.reference(v));
    for (const Isa isa : isas_here()) {
      const std::vector<T> y = run<T>(table, &number, isa, {x})[0];
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double e = error(f, x[i], y[i], reference[i]);
        if (e > worst.ulps) worst = {e, static_cast<double>(x[i]), isa};
      }
    }
  }
  return worst;
}

// What a record states: "1.5 ulp f32, 1.2 ulp f64 over 1e7 points".
struct Stated {
  double f32 = 0.5001, f64 = 0.5001;  // nothing: rounded once
};
Stated stated(const unroll::Operation& operation) {
  Stated s;
  if (std::strlen(operation.accuracy) > 0)
    BOOST_REQUIRE_MESSAGE(
        std::sscanf(operation.accuracy, "%lf ulp f32, %lf ulp f64", &s.f32, &s.f64) == 2,
        operation.name << " states its accuracy as " << operation.accuracy);
  return s;
}

const unroll::Operation& find(const char* name) {
  for (const unroll::Operation* operation : unroll::registered_operations())
    if (std::strcmp(operation->name, name) == 0) return *operation;
  throw std::runtime_error(std::string("no operation ") + name);
}

void check_all(std::size_t count, bool tell) {
  for (const Function& f : functions) {
    const unroll::Operation& operation = find(f.name);
    const Stated most = stated(operation);
    const auto report = [&](const char* dtype, const Worst& worst, double allowed) {
      if (tell)
        std::cout << f.name << " (" << f.number << "): " << worst.ulps << " ulp " << dtype << " at "
                  << worst.at << ", " << name_of(worst.isa) << std::endl;
      BOOST_TEST(worst.ulps <= allowed, f.name << " " << dtype << " " << name_of(worst.isa)
                                               << " is off by " << worst.ulps << " ulp at "
                                               << worst.at << ", states " << allowed);
    };
    report("f32", measure<float>(f, *operation.pointwise, count), most.f32);
    report("f64", measure<double>(f, *operation.pointwise, count), most.f64);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(simd_accuracy)

BOOST_AUTO_TEST_CASE(within_what_is_stated) { check_all(80000, false); }

BOOST_AUTO_TEST_CASE(many_points) {
  const char* count = std::getenv("UNROLL_ACCURACY_POINTS");
  if (count == nullptr)
    std::cout << "simd_accuracy/many_points: skipped; UNROLL_ACCURACY_POINTS=10000000 runs it\n";
  else
    check_all(std::stoul(count), true);
  BOOST_TEST(true);
}

// The goal is four units in the last place, whatever a record states.
BOOST_AUTO_TEST_CASE(four_ulp_at_most) {
  for (const char* name : {"exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "erf",
                           "sin", "cos", "rsqrt"}) {
    const Stated s = stated(find(name));
    BOOST_TEST(s.f32 <= 4, name);
    BOOST_TEST(s.f64 <= 4, name);
    BOOST_TEST(std::strlen(find(name).accuracy) > 0U, name);
  }
}

BOOST_AUTO_TEST_SUITE_END()
