// What explain() accepts, and what it says of wrong calls: as gradcheck does.
#include <unroll/unroll.h>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/leaves.h"

namespace unroll::test {
namespace {

Tensor numbers(std::initializer_list<double> values) { return tensor(values, f64); }

}  // namespace

BOOST_AUTO_TEST_SUITE(explain_calls)

BOOST_AUTO_TEST_CASE(wrong_calls) {
  const auto f = [](const Tensor& x) { return exp(x); };
  check_throws([&] { return explain(f, {numbers({1})}, {.order = 5}); },
               "[explain] order 5; needed 1 or 2; hint: {.order = 2}");
  check_throws([&] { return explain(f, {numbers({1})}, {.relative = 0}); },
               "[explain] relative 0.000000; needed a number above 0; hint: {.relative = 1e-11}");
  check_throws([&] { return explain(f, std::vector<Tensor>{}); },
               "[explain] no inputs; needed a tensor or a parameter with a gradient; hint: "
               "explain(f, {uniform({3, 4}, -1, 1)})");
  check_throws(
      [&] {
        return explain(f, {numbers({1}), numbers({1})});
      },
      "[explain] 2 inputs for a function that cannot be called with so many tensors; "
      "needed an input for every argument, at most 8, or one span; hint: "
      "explain([](const Tensor& a, const Tensor& b) { return a * b; }, {x, y})");
  check_throws(
      [&] {
        return explain(f, {numbers({1, NAN})});
      },
      "[explain] input 0 f64 [2] has NaN at [1]; needed finite values");
}

BOOST_AUTO_TEST_CASE(wrong_functions) {
  const auto largest = [](const Tensor& x) { return argmax(x, 0); };
  check_throws(
      [&] {
        return explain(largest, {numbers({1, 2})});
      },
      "[explain] the function returns i64 []; needed a Tensor of f64, or a state with "
      "one; hint: whole numbers have no derivative");
  const auto constant = [](const Tensor&) { return ones({2}, f64); };
  check_throws(
      [&] {
        return explain(constant, {numbers({1, 2})});
      },
      "[explain] a function that depends on none of its inputs; needed a function of "
      "what is checked; hint: explain([](const Tensor& x) { return exp(x); }, {x})");
}

// The same operands, and now and then another operation.
BOOST_AUTO_TEST_CASE(runs_that_record_other_operations) {
  for (const int every : {2, 3, 5}) {
    int calls = 0;
    const auto longer = [&](const Tensor& x) {
      const Tensor y = exp(x);
      return ++calls % every == 0 ? y * 2.0 : y;
    };
    const Explanation e = explain(longer, {numbers({1, 2})});
    BOOST_TEST((e.fault == Fault::not_deterministic), e);
    BOOST_TEST(!e.found, e);
    BOOST_TEST(e.text().starts_with("the function is not deterministic: two runs at one point "));
    BOOST_TEST(e.remark.find("the operations from number 1 on") != std::string::npos, e);
    calls = 0;
    const auto other = [&](const Tensor& x) { return ++calls % every == 0 ? sin(x) : exp(x); };
    BOOST_TEST((explain(other, {numbers({1, 2})}).fault == Fault::not_deterministic));
  }
}

BOOST_AUTO_TEST_CASE(constant_operands_have_their_shape) {
  const auto f = [](const Tensor& x) { return x * detach(exp(x)); };
  const Explanation e = explain(f, {numbers({1, 2})});
  BOOST_TEST_REQUIRE((e.fault == Fault::cut), e);
  BOOST_TEST_REQUIRE(e.inputs.size() == 2U);
  BOOST_TEST((e.inputs[0] == Shape{2} && e.inputs[1] == Shape{2}));
  BOOST_TEST(e.text().find("on the tape, [2], [2] -> [2]") != std::string::npos, e);
}

// What a hook makes of a gradient is no rule's fault, and is said.
BOOST_AUTO_TEST_CASE(hooks_are_mentioned) {
  const auto doubled = [](const Tensor& x) {
    const Tensor y = exp(x);
    on_gradient(y, [](const Tensor& g) { return g * 2.0; });
    return sin(y);
  };
  const Explanation e = explain(doubled, {numbers({0.3, 0.2})});
  BOOST_TEST((e.fault == Fault::elsewhere), e);
  BOOST_TEST(e.remark == "a hook replaced the gradient of exp; wrong for input 0");
  const auto looks = [](const Tensor& x) {
    const Tensor y = exp(x);
    on_gradient(y, [](const Tensor&) {});
    return sin(y);
  };
  BOOST_TEST(explain(looks, {numbers({0.3, 0.2})}).remark.empty());
  const auto report = gradcheck(doubled, {numbers({0.3, 0.2})});
  BOOST_TEST(!report.ok());
  BOOST_TEST(report.text().ends_with(
                 "\na hook replaced the gradient of exp: what it made of it was compared"),
             report);
  BOOST_TEST(gradcheck(looks, {numbers({0.3, 0.2})}).text().find("hook") == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
