// Every operation that is not smooth somewhere: what it gives there, at ±0 and at NaN, is exact,
// the same in place and recorded, in f32 and f64, and stands in its record. PyTorch 1.13 gives the
// same but for: hard_sigmoid' (±3) = 0, clamp' (NaN) = 0, abs' and mae' (NaN) = 0, elu' (NaN) = 1,
// maximum and minimum of equals a half each, the maximum norm's ties in equal parts, the gradient of
// a cosine with a zero vector y / ε, NaN where all that softmax or logsumexp are given is -inf.
#include <unroll/autograd/operation.h>
#include <unroll/unroll.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include <boost/test/unit_test.hpp>

#include "support/numeric.h"

namespace unroll::test {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

using Numbers = std::vector<double>;

// Of f at x, a vector: its value and the gradient of its elements weighted 1, 10, 100, …
struct Row {
  const char* operation;
  const char* documented;  // a part of the record's formula or domain
  Tensor (*f)(const Tensor&);
  Numbers x, value, gradient;
};

Tensor numbers(const Numbers& x, DType dtype) {
  return from(std::span<const double>(x), {std::ssize(x)}).to(dtype);
}
Tensor like(const Tensor& x, const Numbers& values) { return numbers(values, x.dtype()); }

const std::vector<Row>& rows() {
  using T = const Tensor&;
  static const std::vector<Row> all{
      {"abs", "0 at 0, NaN at NaN", abs, {0, -0.0, nan}, {0, 0, nan}, {0, 0, nan}},
      {"relu",
       "x > 0 or is NaN, else 0, also at 0",
       relu,
       {0, -0.0, nan},
       {0, 0, nan},
       {0, 0, 100}},
      {"leaky_relu",
       "dy slope at 0 and NaN",
       [](T x) { return leaky_relu(x, 0.25); },
       {0, -0.0, nan},
       {0, -0.0, nan},
       {0.25, 2.5, 25}},
      {"elu",
       "dy α at 0",
       [](T x) { return elu(x, 1.5); },
       {0, -0.0, nan},
       {0, -0.0, nan},
       {1.5, 15, nan}},
      {"selu",
       "dy λ α at 0",
       selu,
       {0, -0.0, nan},
       {0, -0.0, nan},
       {1.7580993408473768, 17.580993408473768, nan}},
      {"softsign", "dy at 0", softsign, {0, -0.0, nan}, {0, -0.0, nan}, {1, 10, nan}},
      {"hard_sigmoid",
       "dy / 6 where -3 ≤ x ≤ 3 or NaN",
       hard_sigmoid,
       {-3, 3, nan},
       {0, 1, nan},
       {1.0 / 6, 10.0 / 6, 100.0 / 6}},
      {"sign", "also at 0 and NaN", sign, {0, -0.0, nan}, {0, -0.0, nan}, {0, 0, 0}},
      {"clamp",
       "where low ≤ x ≤ high or x is NaN",
       [](T x) { return clamp(x, {.low = 0, .high = 1}); },
       {0, -0.0, 1, nan},
       {0, -0.0, 1, nan},
       {1, 10, 100, 1000}},
      {"maximum_number",
       "where x ≥ k or x is NaN",
       [](T x) { return maximum(x, 0.0); },
       {0, -0.0, nan},
       {0, -0.0, nan},
       {1, 10, 100}},
      {"minimum_number",
       "where x ≤ k or x is NaN",
       [](T x) { return minimum(x, 0.0); },
       {0, -0.0, nan},
       {0, -0.0, nan},
       {1, 10, 100}},
      {"maximum",
       "of equals x, ±0 among them, of a number and NaN the NaN",
       [](T x) {
         return maximum(x, like(x, {2, -0.0, 1, nan}));
       },
       {2, 0, nan, 1},
       {2, 0, nan, nan},
       {1, 10, 100, 0}},
      {"minimum",
       "of equals x, ±0 among them, of a number and NaN the NaN",
       [](T x) {
         return minimum(like(x, {2, -0.0, 1, nan}), x);
       },
       {2, 0, nan, 1},
       {2, -0.0, nan, nan},
       {0, 0, 100, 0}},
      {"sqrt", "±inf at ±0", sqrt, {0, -0.0, -1, nan}, {0, -0.0, nan, nan}, {inf, -inf, nan, nan}},
      {"rsqrt",
       "∓inf at ±0",
       rsqrt,
       {0, -0.0, -1, nan},
       {inf, -inf, nan, nan},
       {-inf, inf, nan, nan}},
      {"log", "±inf at ±0", log, {0, -0.0, nan}, {-inf, -inf, nan}, {inf, -inf, nan}},
      {"log1p", "inf at -1", log1p, {-1, nan}, {-inf, nan}, {inf, nan}},
      {"number_over",
       "±inf or NaN where x is 0",
       [](T x) { return 1.0 / x; },
       {0, -0.0, nan},
       {inf, -inf, nan},
       {-inf, -inf, nan}},
      {"div",
       "±inf or NaN where y is 0",
       [](T x) {
         return like(x, {0, 1, -1}) / x;
       },
       {0, 0, -0.0},
       {nan, inf, inf},
       {nan, -inf, inf}},
      {"pow_number",
       "0 for k = 0, inf at 0 for 0 < k < 1",
       [](T x) { return pow(x, 0.5); },
       {0, -0.0, nan},
       {0, 0, nan},
       {inf, inf, nan}},
      {"pow_number",
       "x⁰ is 1 for every x",
       [](T x) { return pow(x, 0.0); },
       {0, -0.0, nan},
       {1, 1, 1},
       {0, 0, 0}},
      {"pow",
       "inf where x = 0 and 0 < y < 1",
       [](T x) {
         return pow(x, like(x, {0, 0.5, 1, 2}));
       },
       {0, 0, 0, 0},
       {1, 0, 0, 0},
       {0, inf, 100, 0}},
      {"number_pow",
       "0 for k = 0 and x ≥ 0",
       [](T x) { return pow(0.0, x); },
       {0, 1, -1, nan},
       {1, 0, inf, nan},
       {0, 0, -inf, nan}},
      {"max",
       "the first largest or first NaN, ±0 being equal",
       [](T x) { return max(x); },
       {1, 3, 3, 2},
       {3},
       {0, 1, 0, 0}},
      {"max",
       "the first largest or first NaN",
       [](T x) { return max(x); },
       {1, nan, 3, nan},
       {nan},
       {0, 1, 0, 0}},
      {"max", "±0 being equal", [](T x) { return max(x); }, {-0.0, 0}, {-0.0}, {1, 0}},
      {"min",
       "the first smallest or first NaN, ±0 being equal",
       [](T x) { return min(x); },
       {3, 1, 1, 2},
       {1},
       {0, 1, 0, 0}},
      {"min",
       "the first smallest or first NaN",
       [](T x) { return min(x); },
       {1, nan, 3, nan},
       {nan},
       {0, 1, 0, 0}},
      {"min", "±0 being equal", [](T x) { return min(x); }, {0, -0.0}, {0}, {1, 0}},
      {"norm", "0 where y = 0", [](T x) { return norm(x); }, {0, -0.0}, {0}, {0, 0}},
      {"norm", "dx = NaN there", [](T x) { return norm(x); }, {1, nan}, {nan}, {nan, nan}},
      {"norm",
       "dx = NaN at an infinite element",
       [](T x) { return norm(x); },
       {1, inf},
       {inf},
       {0, nan}},
      {"norm",
       "dx = dy sign(x), 0 at 0",
       [](T x) { return norm(x, 0, {.p = 1}); },
       {-2, 0, -0.0},
       {2},
       {-1, 0, 0}},
      {"norm",
       "sign(x) at the first largest",
       [](T x) { return norm(x, 0, {.p = inf}); },
       {-2, 2, 0},
       {2},
       {-1, 0, 0}},
      {"norm",
       "dx = NaN there",
       [](T x) { return norm(x, 0, {.p = inf}); },
       {1, nan},
       {nan},
       {0, nan}},
      {"sort",
       "NaN last, equals as they stood",
       [](T x) { return sort(x).values; },
       {2, nan, 2, 1},
       {1, 2, 2, nan},
       {10, 1000, 100, 1}},
      {"sort", "±0 among them", [](T x) { return sort(x).values; }, {0, -0.0}, {0, -0.0}, {1, 10}},
      {"top_k",
       "NaN first, of equals the first",
       [](T x) { return top_k(x, 2).values; },
       {2, 1, 2, 2},
       {2, 2},
       {1, 0, 10, 0}},
      {"top_k",
       "NaN first",
       [](T x) { return top_k(x, 2).values; },
       {2, nan, 3, 1},
       {nan, 3},
       {0, 1, 10, 0}},
      {"prod",
       "the product of all others, also where some are 0",
       [](T x) { return prod(x); },
       {0, 2, 3},
       {0},
       {6, 0, 0}},
      {"prod",
       "also where some are 0",
       [](T x) { return prod(x); },
       {0, 2, -0.0},
       {-0.0},
       {0, 0, 0}},
      {"prod",
       "the product of all others",
       [](T x) { return prod(x); },
       {nan, 2, 0},
       {nan},
       {0, nan, nan}},
      {"stddev", "0 where y = 0", [](T x) { return stddev(x); }, {2, 2, 2}, {0}, {0, 0, 0}},
      {"logsumexp",
       "-inf where all are, with dx = 0",
       [](T x) { return logsumexp(x, 0); },
       {-inf, -inf},
       {-inf},
       {0, 0}},
      {"softmax",
       "all -inf: 0 with dx = 0",
       [](T x) { return softmax(x, 0); },
       {-inf, -inf},
       {0, 0},
       {0, 0}},
      {"log_softmax",
       "all -inf: -inf with dx = 0",
       [](T x) { return log_softmax(x, 0); },
       {-inf, -inf},
       {-inf, -inf},
       {0, 0}},
      {"mae",
       "derivative 0 where x = y",
       [](T x) {
         return mae(x, like(x, {0, 2, 1}), {.reduction = Reduction::none});
       },
       {-0.0, 2, nan},
       {0, 0, nan},
       {0, 0, nan}},
      {"huber",
       "derivative ±w δ at ±δ",
       [](T x) {
         return huber(x, like(x, {0, 0, 0, 0}), {.delta = 2, .reduction = Reduction::none});
       },
       {2, -2, 0, nan},
       {2, 2, 0, nan},
       {2, -20, 0, nan}},
      {"hinge",
       "derivative 0 where t x = margin",
       [](T x) {
         return hinge(x, tensor({1, -1, 1}), {.reduction = Reduction::none});
       },
       {1, -1, 0},
       {0, 0, 1},
       {0, 0, -100}},
      {"cosine_similarity",
       "0 with derivative 0 where x or y is 0",
       [](T x) {
         return cosine_similarity(x, like(x, {1, 2}));
       },
       {0, -0.0},
       {0},
       {0, 0}},
      {"cosine_similarity",
       "where |x| |y| = ε, ε is divided by",
       [](T x) {
         return cosine_similarity(x, like(x, {2, 0}), {.epsilon = 2});
       },
       {1, 0},
       {1},
       {1, 0}},
      {"cosine_embedding",
       "derivative 0 where c = margin",
       [](T x) {
         return cosine_embedding(reshape(x, {1, 2}), reshape(like(x, {1, 0}), {1, 2}),
                                 tensor({-1}));
       },
       {0, 1},
       {0},
       {0, 0}},
      {"where",
       "da = dy where taken, else exactly 0",
       [](T x) {
         return where(like(x, {1, 0, 0}), x, x * 2.0);
       },
       {nan, 1, inf},
       {nan, 2, inf},
       {1, 20, 200}},
      {"masked_fill",
       "dx = exactly 0 where filled, else dy",
       [](T x) {
         return masked_fill(x, like(x, {1, 0, 1}), 7.0);
       },
       {nan, 1, inf},
       {7, 1, 7},
       {0, 10, 0}},
      {"where_number",
       "dx = dy where taken, else exactly 0",
       [](T x) {
         return where(like(x, {0, 1, 0}), x, 7.0);
       },
       {nan, 1, inf},
       {7, 1, 7},
       {0, 10, 0}},
  };
  return all;
}

bool same(double a, double b, DType dtype, bool sign_of_zero) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (a == b) return !sign_of_zero || a != 0 || std::signbit(a) == std::signbit(b);
  return std::abs(a - b) <= (dtype == f64 ? 1e-15 : 3e-7) * std::abs(b);
}

void check(const Row& row, DType dtype, bool differentiable) {
  Tape tape;
  const Tensor x = tape.watch(numbers(row.x, dtype));
  const Tensor y = row.f(x);
  Numbers weights;
  for (Index k = 0; k < y.size(); ++k) weights.push_back(std::pow(10.0, k));
  const Tensor upstream = reshape(numbers(weights, dtype), y.shape());
  const Tensor g = tape.gradient(y, x, {.upstream = upstream, .differentiable = differentiable});
  const Numbers value = values(detach(y));
  const Numbers gradient = values(detach(g));
  BOOST_TEST_REQUIRE(value.size() == row.value.size(), row.operation);
  for (std::size_t i = 0; i < value.size(); ++i)
    BOOST_TEST(
        same(value[i], row.value[i], dtype, true),
        row.operation << ": element " << i << " is " << value[i] << ", not " << row.value[i]);
  for (std::size_t i = 0; i < gradient.size(); ++i)
    BOOST_TEST(same(gradient[i], row.gradient[i], dtype, false),
               row.operation << ": gradient at " << row.x[i] << ", element " << i << ", is "
                             << gradient[i] << ", not " << row.gradient[i]);
}

// Whether its check row keeps away from points, or needs elements that are not close.
bool has_kinks(const Operation& operation) {
  if (operation.check == nullptr) return false;
  for (const CheckCase& c : operation.check().cases)
    for (const CheckInput& input : c.inputs)
      if (!input.avoid.empty() || input.spaced) return true;
  return false;
}

// Whether its record speaks of a derivative at a certain point.
bool speaks_of_points(const Operation& operation) {
  const std::string text = std::string(operation.formula) + operation.domain;
  for (const char* words : {"inf at", " at 0", "first", "equals", "where x = ", "where y = 0",
                            "where c =", "where t x =", " at ±"})
    if (text.find(words) != std::string::npos && text.find("NaN at ±inf") == std::string::npos)
      return true;
  return false;
}

// A record that a program registers anew.
std::string missing_in_table(const Operation& operation) {
  for (const Row& row : rows())
    if (std::string_view(row.operation) == operation.name) return "";
  if (!has_kinks(operation) && !speaks_of_points(operation)) return "";
  return std::string(operation.name) +
         " is not smooth everywhere: say in its record what its derivative is there, and add that "
         "to the table of test_kinks.cpp";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(kinks)

BOOST_AUTO_TEST_CASE(values_and_gradients) {
  for (const Row& row : rows())
    for (const DType dtype : {f64, f32})
      for (const bool differentiable : {false, true})
        BOOST_TEST_CONTEXT(name_of(dtype) << (differentiable ? ", recorded" : ", in place"))
  check(row, dtype, differentiable);
}

BOOST_AUTO_TEST_CASE(second_derivative_of_huber) {
  Tape tape;
  const Tensor x = tape.watch(numbers({2, -2, 2.5, 0}, f64));
  const Tensor y = huber(x, zeros({4}, f64), {.delta = 2, .reduction = Reduction::sum});
  const Tensor g = tape.gradient(y, x, {.differentiable = true});
  const Tensor second = tape.gradient(sum(g), x);
  BOOST_TEST(values(detach(second)) == (Numbers{1, 1, 0, 1}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(what_is_tested_is_documented) {
  const auto all = registered_operations();
  for (const Row& row : rows()) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Operation* o) {
      return std::string_view(o->name) == row.operation;
    });
    BOOST_TEST_REQUIRE((found != all.end()), row.operation);
    const std::string text = std::string((*found)->formula) + "\n" + (*found)->domain;
    BOOST_TEST(text.find(row.documented) != std::string::npos,
               row.operation << ": \"" << text << "\" does not say \"" << row.documented << "\"");
  }
}

BOOST_AUTO_TEST_CASE(no_operation_with_a_kink_is_missing) {
  Index kinked = 0;
  for (const Operation* operation : registered_operations()) {
    BOOST_TEST(missing_in_table(*operation) == "");
    kinked += has_kinks(*operation) ? 1 : 0;
  }
  BOOST_TEST(kinked >= 17);
}

BOOST_AUTO_TEST_CASE(a_new_operation_with_a_kink_is_noticed) {
  static constexpr auto row = [] {
    return Check{.cases = {{.inputs = {{.avoid = {1}}},
                            .call = [](std::span<const Tensor> in) { return abs(in[0] - 1.0); }}}};
  };
  constexpr Operation avoids{.name = "new_kink", .check = row};
  constexpr Operation speaks{.name = "new_tie", .formula = "of equals the last"};
  constexpr Operation smooth{.name = "new_smooth", .formula = "x³; dx = 3 dy x²"};
  BOOST_TEST(missing_in_table(avoids).starts_with("new_kink is not smooth"));
  BOOST_TEST(missing_in_table(speaks).starts_with("new_tie is not smooth"));
  BOOST_TEST(missing_in_table(smooth) == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
