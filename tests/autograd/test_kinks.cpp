// Every operation that is not smooth somewhere: what it gives there, at ±0 and at NaN, is exact,
// the same in place and recorded, in f32 and f64, and stands in its record.
#include <unroll/autograd/operation.h>
#include <unroll/unroll.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include <boost/test/unit_test.hpp>

#include "support/kink_rows.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

bool same(double a, double b, DType dtype, bool sign_of_zero) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
  if (a == b) return !sign_of_zero || a != 0 || std::signbit(a) == std::signbit(b);
  return std::abs(a - b) <= (dtype == f64 ? 1e-15 : 3e-7) * std::abs(b);
}

void check(const KinkRow& row, DType dtype, bool differentiable) {
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
  for (const KinkRow& row : kink_rows())
    if (std::string_view(row.operation) == operation.name) return "";
  if (!has_kinks(operation) && !speaks_of_points(operation)) return "";
  return std::string(operation.name) +
         " is not smooth everywhere: say in its record what its derivative is there, and add that "
         "to the table of test_kinks.cpp";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(kinks)

BOOST_AUTO_TEST_CASE(values_and_gradients) {
  for (const KinkRow& row : kink_rows())
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
  for (const KinkRow& row : kink_rows()) {
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
