// explain() names the operation whose derivative is wrong, and nothing where none is.
#include <unroll/autograd/explain.h>
#include <unroll/autograd/operation.h>

#include <boost/test/unit_test.hpp>

#include "support/leaves.h"
#include "support/operation_variants.h"
#include "support/wrong_operation.h"

namespace unroll::test {
namespace {

using Indices = std::vector<Index>;

Tensor drawn(const Shape& shape, std::uint64_t seed = 3) {
  Rng rng(seed);
  return draw({.low = 0.4, .high = 1.4}, shape, rng);
}

// Two hundred operations, of which one may be wrong.
Tensor chain(const Tensor& x, Index at, Wrong wrong) {
  Tensor y = x;
  for (Index k = 0; k < 200; ++k) {
    if (k == at)
      y = wrong_square(y, wrong);
    else if (k % 4 == 0)
      y = tanh(y);
    else if (k % 4 == 1)
      y = y * 1.25 + 0.2 * x;
    else if (k % 4 == 2)
      y = transpose(y, 0, 1);
    else
      y = transpose(exp(-y), 0, 1);
  }
  return sum(y);
}

// The first operation of that name.
Index number_of(const std::string& operation, const std::function<void(Tape&)>& f) {
  Tape tape;
  f(tape);
  const graph::Snapshot s = tape.snapshot();
  for (std::size_t i = 0; i < s.nodes.size(); ++i)
    if (s.nodes[i].operation == operation) return static_cast<Index>(i);
  return -1;
}

BOOST_AUTO_TEST_SUITE(explanations)

BOOST_AUTO_TEST_CASE(is_silent_where_nothing_is_wrong) {
  const Tensor x = drawn({3, 3});
  const auto f = [](const Tensor& in) { return chain(in, 131, Wrong::nothing); };
  const Explanation e = explain(f, {x}, {.order = 2});
  BOOST_TEST(!e.found, e);
  BOOST_TEST((e.fault == Fault::none), e);
  BOOST_TEST(e.judged == e.nodes);
  BOOST_TEST(e.nodes > 250);
  BOOST_TEST(e.wrong == 0);
  BOOST_TEST(e.text().starts_with("no operation's derivative is wrong"));
}

BOOST_AUTO_TEST_CASE(finds_one_wrong_rule_in_a_chain_of_two_hundred) {
  const Tensor x = drawn({3, 3});
  for (const Index at : {1, 60, 131, 199}) {
    const auto f = [at](const Tensor& in) { return chain(in, at, Wrong::everywhere); };
    const Explanation e = explain(f, {x});
    BOOST_TEST_REQUIRE(e.found, e);
    BOOST_TEST((e.fault == Fault::rule), e);
    BOOST_TEST(e.operation == "wrong_square");
    BOOST_TEST(e.node == number_of("wrong_square", [&](Tape& tape) { f(tape.watch(x)); }));
    BOOST_TEST(e.wrong == 1);
    BOOST_TEST(e.inputs.size() == 1U);
    BOOST_TEST((e.inputs[0] == Shape{3, 3} && e.outputs[0] == Shape{3, 3}));
    BOOST_TEST(e.input == 0);
    BOOST_TEST(e.output == 0);
    BOOST_TEST(e.index == e.output_index, boost::test_tools::per_element());
    BOOST_TEST(e.analytic / e.numeric == 1.0001, boost::test_tools::tolerance(1e-8));
    BOOST_TEST(e.judged == e.nodes);
  }
}

BOOST_AUTO_TEST_CASE(names_the_element) {
  const auto f = [](const Tensor& x) {
    return sum(exp(-wrong_square(tanh(x), Wrong::one_element)));
  };
  const Explanation e = explain(f, {drawn({5, 70, 29})});
  BOOST_TEST_REQUIRE(e.found, e);
  BOOST_TEST(e.operation == "wrong_square");
  BOOST_TEST(e.index == (Indices{4, 69, 28}), boost::test_tools::per_element());
  BOOST_TEST(e.output_index == (Indices{4, 69, 28}), boost::test_tools::per_element());
  BOOST_TEST(e.analytic / e.numeric == 1.001, boost::test_tools::tolerance(1e-8));
}

BOOST_AUTO_TEST_CASE(names_the_operand) {
  const auto f = [](const Tensor& x, const Tensor& y) { return wrong_sum(sin(x), cos(y), true); };
  const Explanation e = explain(f, {drawn({2, 3}), drawn({2, 3}, 4)});
  BOOST_TEST_REQUIRE(e.found, e);
  BOOST_TEST(e.operation == "wrong_sum");
  BOOST_TEST(e.node == 2);
  BOOST_TEST(e.input == 1);
  BOOST_TEST(e.analytic == 1.0, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(e.numeric == 2.0, boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(names_the_result_of_several) {
  for (const Index which : {0, 1}) {
    const auto f = [which](const Tensor& x) {
      const auto [s, c] = wrong_sin_cos(x * 2.0, which);
      return s * c;
    };
    const Explanation e = explain(f, {drawn({4})});
    BOOST_TEST_REQUIRE(e.found, e);
    BOOST_TEST(e.operation == "wrong_sin_cos");
    BOOST_TEST(e.outputs.size() == 2U);
    BOOST_TEST(e.output == which);
    BOOST_TEST(e.index == e.output_index, boost::test_tools::per_element());
    BOOST_TEST(e.analytic / e.numeric == (which == 0 ? 1.5 : -1.0),
               boost::test_tools::tolerance(1e-8));
  }
}

BOOST_AUTO_TEST_CASE(finds_what_is_wrong_where_one_of_several_results_is_used) {
  const auto f = [](const Tensor& x) { return exp(wrong_sin_cos(x, 2)[0]); };
  const Explanation e = explain(f, {drawn({4})});
  BOOST_TEST_REQUIRE(e.found, e);
  BOOST_TEST(e.operation == "wrong_sin_cos");
  BOOST_TEST(e.output == 0);
  BOOST_TEST(e.analytic / e.numeric == 1.5, boost::test_tools::tolerance(1e-8));
}

BOOST_AUTO_TEST_CASE(finds_what_is_wrong_for_views_alone) {
  const auto f = [](bool strided) {
    return [strided](const Tensor& x) {
      const Tensor first = wrong_square(x, Wrong::when_strided);
      const Tensor turned = transpose(first, 0, 1);
      const Tensor dense = wrong_square(contiguous(turned), Wrong::when_strided);
      return strided ? dense * wrong_square(turned, Wrong::when_strided) : dense;
    };
  };
  BOOST_TEST(!explain(f(false), {drawn({4, 2})}).found);
  const Explanation e = explain(f(true), {drawn({4, 2})});
  BOOST_TEST_REQUIRE(e.found, e);
  BOOST_TEST(e.wrong == 1);
  BOOST_TEST((e.inputs[0] == Shape{2, 4}), e);
}

// The element that a broadcast operand repeats is one element.
BOOST_AUTO_TEST_CASE(elements_that_are_repeated_move_together) {
  const auto f = [](const Tensor& x) { return wrong_square(expand(x, {3, 4}), Wrong::everywhere); };
  const Explanation e = explain(f, {drawn({3, 1})});
  BOOST_TEST_REQUIRE(e.found, e);
  BOOST_TEST(e.operation == "wrong_square");
  BOOST_TEST(e.analytic / e.numeric == 1.0001, boost::test_tools::tolerance(1e-8));
}

BOOST_AUTO_TEST_CASE(finds_what_is_wrong_at_the_second_call_alone) {
  const Tensor x = drawn({3});
  const auto f = [](const Tensor& in) {
    int calls = 0;
    const auto square = [&](const Tensor& y) {
      return wrong_square(y, ++calls == 2 ? Wrong::everywhere : Wrong::nothing);
    };
    return square(sin(square(cos(square(in)))));
  };
  const Explanation e = explain(f, {x});
  BOOST_TEST_REQUIRE(e.found, e);
  BOOST_TEST(e.node == 2);
  BOOST_TEST(e.wrong == 1);
}

BOOST_AUTO_TEST_CASE(tells_in_which_way_a_rule_is_wrong) {
  const auto fault = [](Wrong wrong, int order) {
    const auto f = [wrong](const Tensor& x) { return sum(wrong_square(tanh(x), wrong)); };
    const Explanation e = explain(f, {drawn({3})}, {.order = order});
    BOOST_TEST((e.fault == Fault::none) == !e.found, e);
    if (e.found) BOOST_TEST(e.operation == "wrong_square");
    return e.fault;
  };
  BOOST_TEST((fault(Wrong::everywhere, 1) == Fault::rule));
  BOOST_TEST((fault(Wrong::when_in_place, 1) == Fault::rule));
  BOOST_TEST((fault(Wrong::when_added, 1) == Fault::adding));
  BOOST_TEST((fault(Wrong::when_recorded, 1) == Fault::recorded));
  BOOST_TEST((fault(Wrong::in_second_order, 1) == Fault::none));
  BOOST_TEST((fault(Wrong::in_second_order, 2) == Fault::second_order));
  BOOST_TEST((fault(Wrong::nothing, 2) == Fault::none));
}

BOOST_AUTO_TEST_CASE(finds_a_result_that_depends_on_more_than_operands) {
  const auto f = [](const Tensor& x) { return hidden_product(sin(x), cos(x)); };
  const Explanation e = explain(f, {drawn({3})});
  BOOST_TEST_REQUIRE(e.found, e);
  BOOST_TEST((e.fault == Fault::operand_unknown), e);
  BOOST_TEST(e.operation == "hidden_product");
}

BOOST_AUTO_TEST_CASE(finds_where_history_is_cut) {
  const auto by_detach = [](const Tensor& x) { return sum(exp(x) * detach(tanh(x))); };
  const auto by_item = [](const Tensor& x) { return sum(x) * std::sin(sum(x * x).item()); };
  const Explanation e = explain(by_detach, {drawn({3})});
  BOOST_TEST((e.fault == Fault::cut), e);
  BOOST_TEST(e.operation == "mul");
  BOOST_TEST(e.text().find("wrong for input 0") != std::string::npos, e);
  BOOST_TEST((explain(by_item, {drawn({3})}).fault == Fault::cut));
  const auto whole = [](const Tensor& x) { return detach(sum(x * x)); };
  BOOST_TEST((explain(whole, {drawn({3})}).fault == Fault::elsewhere));
}

// A constant that depends on the inputs may be meant: the whole is right.
BOOST_AUTO_TEST_CASE(a_cut_that_changes_nothing_is_no_fault) {
  const auto f = [](const Tensor& x) {
    const Tensor shifted = x - detach(max(x));
    return log(sum(exp(shifted))) + detach(max(x));
  };
  const Explanation e = explain(f, {drawn({5})});
  BOOST_TEST((e.fault == Fault::none), e);
}

BOOST_AUTO_TEST_CASE(finds_what_is_not_deterministic) {
  int calls = 0;
  const auto f = [&calls](const Tensor& x) { return exp(sin(x) * (1.0 + 0.5 * ++calls)); };
  const Explanation e = explain(f, {drawn({3})});
  BOOST_TEST((e.fault == Fault::not_deterministic), e);
  BOOST_TEST(e.operation == "mul_number");
  const auto random = [](const Tensor& x) { return x * uniform(x.shape(), 0, 1, f64); };
  BOOST_TEST((explain(random, {drawn({3})}).fault == Fault::none));
}

BOOST_AUTO_TEST_CASE(a_kink_is_no_fault) {
  const auto f = [](const Tensor& x) { return sum(exp(relu(x)) * sin(abs(x))); };
  const Explanation e = explain(f, {tensor({0.5, 0.0, -0.5}, f64)});
  BOOST_TEST(!e.found, e);
  BOOST_TEST(e.at_kinks == 1, e);  // abs has the mean of its two derivatives at 0
  BOOST_TEST(e.text().find("1 at a kink") != std::string::npos, e);
  BOOST_TEST((e.fault == Fault::none), e);
  const Explanation tie =
      explain([](const Tensor& x) { return max(x) * sum(x); }, {tensor({1.0, 1.0, 0.5}, f64)});
  BOOST_TEST((tie.fault == Fault::none), tie);
  BOOST_TEST(tie.at_kinks == 1, tie);
}

BOOST_AUTO_TEST_CASE(a_wrong_rule_is_found_beside_kinks_at_zero) {
  const auto f = [](const Tensor& x) { return sum(abs(wrong_slope_of_relu(x))); };
  const Explanation e = explain(f, {tensor({0.5, 0.0, 0.0, 1.5}, f64)});
  BOOST_TEST_REQUIRE(e.found, e);
  BOOST_TEST(e.operation == "wrong_slope_of_relu");
  BOOST_TEST(e.analytic == 2.0, boost::test_tools::tolerance(1e-9));
  BOOST_TEST(e.numeric == 1.0, boost::test_tools::tolerance(1e-9));
}

BOOST_AUTO_TEST_CASE(small_and_large_values_stay_in_the_domain) {
  const auto f = [](const Tensor& x) { return sum(log(x) + sqrt(x) + 1.0 / x); };
  const Explanation e = explain(f, {tensor({1e-12, 1e-5, 1.0, 1e5}, f64)});
  BOOST_TEST((e.fault == Fault::none), e);
  BOOST_TEST(e.judged == e.nodes, e);
}

// Differences over wider steps agree with each other, but not with the slope at the point.
BOOST_AUTO_TEST_CASE(a_corner_that_is_round_on_a_small_scale_is_right) {
  static constexpr auto f = [](auto x) { return x + 1e-12 * tanh(1e9 * x); };
  const Explanation e =
      explain([](const Tensor& x) { return pointwise<1>(f, x); }, {tensor({1e-10, 1.0, 2.0}, f64)});
  BOOST_TEST(!e.found, e);
  BOOST_TEST(e.judged == 0, e);
}

BOOST_AUTO_TEST_CASE(accuses_nobody_of_what_is_no_number) {
  const auto of_log = [](const Tensor& x) { return log(x); };
  BOOST_CHECK_EXCEPTION(explain(of_log, {tensor({-1.0, 1.0}, f64)}), Error, [](const Error& e) {
    return std::string(e.what()) ==
           "[explain] the function returns NaN or Inf in f64 [2]; needed finite values at the "
           "point; hint: Tape tape({.check_finite = true}) finds where it began";
  });
  // What is infinite on the way, as a masked score, is not judged.
  const Explanation masked = explain(
      [](const Tensor& x) {
        return softmax(masked_fill(x, tensor({0, 1, 0}), -HUGE_VAL), -1);
      },
      {tensor({0.1, 0.2, 0.3}, f64)});
  BOOST_TEST((masked.fault == Fault::none), masked);
}

BOOST_AUTO_TEST_CASE(says_where_operations_depend_on_values) {
  const auto f = [](const Tensor& x) {
    const Tensor y = sin(x);
    return sum(x.span<double>()[0] > 0.5 ? exp(y) : cos(y));
  };
  const Explanation e = explain(f, {tensor({0.5, 1.0}, f64)});
  BOOST_TEST(!e.found, e);
  BOOST_TEST(e.remark.find("from number 1 on") != std::string::npos, e);
}

BOOST_AUTO_TEST_CASE(parameters_are_as_before_also_after_an_exception) {
  const Tensor w = make_parameter(drawn({2, 2}), "w");
  const Tensor before = contiguous(detach(w)) + 0.0;
  struct Model {
    ParameterList list;
    ParameterList parameters() const { return list; }
  } model;
  model.list.add("w", w);
  Tape outer;
  const Tensor used = sum(w * w);
  int calls = 0;
  const auto loss = [&] {
    if (++calls == 5) fail("test", {.given = "a fifth call", .needed = "four", .hint = {}});
    return sum(wrong_square(w, Wrong::everywhere));
  };
  BOOST_CHECK_THROW(explain(model, loss), Error);
  BOOST_TEST(all_equal(detach(w), before));
  const Explanation e = explain(model, [&] { return sum(wrong_square(w, Wrong::everywhere)); });
  BOOST_TEST(e.found, e);
  BOOST_TEST(all_equal(detach(w), before));
  BOOST_TEST(all_equal(outer.backward(used)[w], before * 2.0));  // nor has this tape noticed
}

BOOST_AUTO_TEST_CASE(masks_are_the_same_in_every_run) {
  const auto f = [](const Tensor& x) { return sum(dropout(exp(x), 0.5)); };
  const Explanation e = explain(f, {drawn({20})}, {.training = true});
  BOOST_TEST((e.fault == Fault::none), e);
  BOOST_TEST(e.nodes == 3);
}

// All registered operations, in layouts of every kind, to the second order.
void raises_no_false_alarm(const Operation& operation) {
  if (operation.check == nullptr) return;
  const Check check = operation.check();
  Rng rng(5);
  Index number = 0;
  for (const Variant& v : variants_of(check, rng)) {
    constexpr Index every = 11;
    if (number++ % every != 0 || !check.second_order) continue;
    const Explanation e = explain([&](std::span<const Tensor> x) { return v.f(x); },
                                  std::span<const Tensor>(v.leaves), {.order = 2});
    BOOST_TEST((e.fault == Fault::none), v.name << ": " << e);
    BOOST_TEST(e.judged == e.nodes, v.name << ": " << e);
  }
}
const auto all_operations = for_every_operation(raises_no_false_alarm, __FILE__);

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace unroll::test
