// Each class of mistake, made on purpose, is told from the others.
#include <unroll/unroll.h>

#include <cmath>

#include <boost/test/unit_test.hpp>

#include "support/ruled.h"

namespace unroll::test {
namespace {

using enum GradcheckCause;

Tensor numbers(std::initializer_list<double> values) { return tensor(values, f64); }

// The first finding about derivatives; its cause is also in its text.
GradcheckFinding expect(const GradcheckReport& report, GradcheckCause cause) {
  BOOST_TEST_REQUIRE(!report.ok());
  const GradcheckFinding& f = report.findings().front();
  BOOST_TEST(name_of(f.cause) == name_of(cause), report);
  BOOST_TEST(f.text().find("\n  " + std::string(name_of(cause)) + ": ") != std::string::npos);
  return f;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gradcheck_causes)

BOOST_AUTO_TEST_CASE(a_wrong_derivative) {
  for (const double factor : {1.0001, 0.5, -1.0, 1.5}) {
    static double by;
    by = factor;
    const Ruled wrong{
        [](const Tensor& x) { return sin(x); },
        [](const Backward&, const Tensor& x, const Tensor& dy) { return by * dy * cos(x); }};
    const auto f = expect(gradcheck(wrong, {uniform({2, 3}, -1, 1)}), wrong_derivative);
    BOOST_TEST(f.check == "gradient");
    BOOST_TEST(f.input == "input 0");
    BOOST_TEST(f.index.size() == 2U);
    BOOST_TEST(f.output == f.index, boost::test_tools::per_element());
    BOOST_TEST(f.wrong == 6);
    BOOST_TEST(f.of == 36);
    BOOST_TEST(f.analytic / f.numeric == factor, boost::test_tools::tolerance(1e-8));
    BOOST_TEST(f.relative_error > 0.9e-4);
  }
}

BOOST_AUTO_TEST_CASE(one_wrong_entry_has_its_place) {
  const Ruled wrong{
      [](const Tensor& x) { return exp(x); },
      [](const Backward&, const Tensor& x, const Tensor& dy) {
        return dy * exp(x) * (1.0 + 1e-5 * tensor({{0., 0., 0.}, {0., 1., 0.}}, x.dtype()));
      }};
  const auto f = expect(gradcheck(wrong, {uniform({2, 3}, -1, 1)}), wrong_derivative);
  BOOST_TEST((f.index == std::vector<Index>{1, 1}));
  BOOST_TEST((f.output == std::vector<Index>{1, 1}));
  BOOST_TEST(f.wrong == 1);
}

// On a kink nothing between both slopes is wrong; what is beyond them is.
BOOST_AUTO_TEST_CASE(a_kink) {
  const auto at_zero =
      expect(gradcheck([](const Tensor& x) { return relu(x); }, {numbers({0, 2})}), kink);
  BOOST_TEST((at_zero.index == std::vector<Index>{0}));
  expect(gradcheck([](const Tensor& x) { return sum(max(x, 0)); }, {numbers({1, 1})}), kink);
  expect(gradcheck([](const Tensor& x) { return abs(x - 1.0) + x; }, {numbers({1 + 1e-13})}), kink);
  expect(gradcheck([](const Tensor& x) { return sqrt(x); }, {numbers({0, 2})}), kink);
  const Ruled wrong_anyway{
      [](const Tensor& x) { return relu(x); },
      [](const Backward&, const Tensor&, const Tensor& dy) { return dy * 7.0; }};
  expect(gradcheck(wrong_anyway, {numbers({0.0})}), wrong_derivative);
}

BOOST_AUTO_TEST_CASE(too_little_precision) {
  const auto rounded = [](const Tensor& x) { return tanh(x.to(f32)).to(f64); };
  const auto returns_f32 = [](const Tensor& x) { return tanh(x.to(f32)); };
  for (int draw = 0; draw < 20; ++draw) {
    expect(gradcheck(rounded, {uniform({6}, -1, 1)}), precision);
    expect(gradcheck(returns_f32, {uniform({6}, -1, 1)}), precision);
  }
  const auto cancels = [](const Tensor& x) { return (exp(x) + 1e11) - 1e11; };
  expect(gradcheck(cancels, {uniform({3}, -1, 1)}), precision);
  const auto cancels_exactly = [](const Tensor& x) { return (x + 1e12) - 1e12; };
  expect(gradcheck(cancels_exactly, {uniform({3}, -1, 1)}), precision);
}

BOOST_AUTO_TEST_CASE(not_deterministic_values) {
  int calls = 0;
  const auto counts = [&](const Tensor& x) { return x * (1 + 1e-12 * ++calls); };
  const auto f = expect(gradcheck(counts, {numbers({1, 2})}), not_deterministic);
  BOOST_TEST(f.check == "repeat");
  BOOST_TEST((f.output == std::vector<Index>{0}));
}

BOOST_AUTO_TEST_CASE(not_deterministic_gradients) {
  static int calls;
  calls = 0;
  const Ruled drifts{[](const Tensor& x) { return 2.0 * x; },
                     [](const Backward&, const Tensor&, const Tensor& dy) {
                       return dy * (2 + 1e-15 * (++calls % 2));
                     }};
  const auto report = gradcheck(drifts, {numbers({1, 2})});
  const auto f = expect(report, not_deterministic);
  BOOST_TEST(f.check == "repeat");
}

// f reads a copy that was made before, and sends a gradient to what it does not read.
BOOST_AUTO_TEST_CASE(unrelated_to_what_was_perturbed) {
  const Tensor copy = uniform({3}, -1, 1, f64);
  const auto cached = [&](const Tensor& x) { return copy * copy + (x - detach(x)); };
  const auto f = expect(gradcheck(cached, {copy}), unrelated);
  BOOST_TEST(f.numeric == 0);
  BOOST_TEST(f.analytic == 1);
}

BOOST_AUTO_TEST_CASE(a_missing_gradient) {
  const auto detached = [](const Tensor& x, const Tensor& y) { return detach(x) * y; };
  const auto f = expect(gradcheck(detached, {numbers({1, 2}), numbers({3, 4})}), missing);
  BOOST_TEST(f.input == "input 0");
  const auto constant = [](const Tensor& x) { return full({}, detach(sum(x)).item(), f64); };
  expect(gradcheck(constant, {numbers({1, 2})}), missing);
  const auto large = gradcheck([](const Tensor& x) { return sum(exp(detach(x))); },
                               {uniform({50}, -1, 1)}, {.entries = 10});
  BOOST_TEST(expect(large, missing).index.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_gradient_counted_twice) {
  const Ruled twice{
      [](const Tensor& x) { return x * x; },
      [](const Backward&, const Tensor& x, const Tensor& dy) { return dy * x * 4.0; }};
  expect(gradcheck(twice, {uniform({4}, 1, 2)}), counted_twice);
  const Ruled thrice{[](const Tensor& x) { return exp(x); },
                     [](const Backward&, const Tensor& x, const Tensor& dy) {
                       return dy * exp(x) + dy * exp(x) + dy * exp(x);
                     }};
  expect(gradcheck(thrice, {uniform({40}, 1, 2)}, {.entries = 1}), counted_twice);
}

// What is thrown beside the point is told where there is nothing else to tell.
BOOST_AUTO_TEST_CASE(a_function_that_throws_beside_the_point) {
  const auto only_here = [](const Tensor& x) {
    if (detach(x).to(f64).item() != 1) fail("only", {.given = "not 1", .needed = {}, .hint = {}});
    return x * x;
  };
  const auto f = expect(gradcheck(only_here, {numbers({1})}), precision);
  BOOST_TEST(f.note == "beside the point the function throws [only] not 1");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
