// What gradcheck accepts, how it is called, and what it says of wrong calls. Derivatives here are
// right: those of the library, which other tests compare with differences of their own.
#include <unroll/unroll.h>

#include <cmath>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/leaves.h"
#include "support/ruled.h"

namespace unroll::test {
namespace {

Tensor numbers(std::initializer_list<double> values) { return tensor(values, f64); }

}  // namespace

BOOST_AUTO_TEST_SUITE(gradcheck_calls)

BOOST_AUTO_TEST_CASE(functions_of_tensors) {
  const auto tanh_of = [](const Tensor& x) { return tanh(x); };
  const auto one = gradcheck(tanh_of, {uniform({3, 4}, -4, 4)}, {.order = 2});
  BOOST_TEST(one.ok(), one);
  BOOST_TEST(one.compared() == 144 + 12 * 24);
  BOOST_TEST(one.worst() < 1e-8);
  BOOST_TEST(one.worst(2) < 1e-8);
  BOOST_TEST(one.worst() > 0);
  const auto product = [](const auto& a, const auto& b) { return matmul(a, b); };
  const auto two = gradcheck(product, {uniform({3, 4}, -4, 4), uniform({4, 2}, -1, 1)});
  BOOST_TEST(two.ok(), two);
  const std::vector<Tensor> several{uniform({3}, -1, 1), uniform({3}, -1, 1), uniform({3}, -1, 1)};
  const auto of_span = [](std::span<const Tensor> x) { return x[0] * x[1] + exp(x[2]); };
  const auto spanned = gradcheck(of_span, several, {.order = 2});
  BOOST_TEST(spanned.ok(), spanned);
  const auto of_vector = [](const std::vector<Tensor>& x) { return x[0] * x[1] + exp(x[2]); };
  BOOST_TEST(gradcheck(of_vector, several).ok());
  Tensor (*const pointer)(const Tensor&) = sigmoid;
  BOOST_TEST(gradcheck(pointer, {uniform({5}, -2, 2)}).ok());
  BOOST_TEST(gradcheck(tanh_of, uniform({5}, -2, 2)).ok());
}

// Steps are looked for: where they suit one element they are too large or too small for another.
BOOST_AUTO_TEST_CASE(inputs_of_any_size) {
  const auto expect = [](const GradcheckReport& report) {
    BOOST_TEST(report.ok(), report);
    BOOST_TEST(report.worst() < 2e-7);
  };
  const auto log_of = [](const Tensor& x) { return log(x); };
  expect(gradcheck(log_of, {numbers({1e-6, 1, 1e6, 0.3})}, {.order = 2}));
  expect(gradcheck(log_of, {numbers({1e-12})}));
  const auto shifted = [](const Tensor& x) { return tanh(x + 1.0); };
  expect(gradcheck(shifted, {numbers({1e-6, -2e-6})}, {.order = 2}));
  expect(gradcheck(shifted, {numbers({0.0, 0.0})}));
  const auto sine = [](const Tensor& x) { return sin(x); };
  expect(gradcheck(sine, {numbers({1e6, -3e6})}));
  const auto slow = [](const Tensor& x) { return exp(1e-6 * x); };
  expect(gradcheck(slow, {numbers({1e6, -3e6})}, {.order = 2}));
  const auto steep = [](const Tensor& x) { return sin(1e3 * x); };
  expect(gradcheck(steep, {uniform({6}, -2, 2)}));
  const auto far = [](const Tensor& x) { return 1e6 + tanh(x); };
  expect(gradcheck(far, {uniform({6}, -2, 2)}));
  // Along directions, where small and large elements move together.
  expect(gradcheck([](const Tensor& x) { return sum(log(x)); },
                   {concat({uniform({500}, 1e-6, 1e-5), uniform({500}, 1, 2)}, 0)},
                   {.entries = 10}));
}

// Close to a kink differences are taken on one side of it, on it they are not judged right.
BOOST_AUTO_TEST_CASE(points_near_kinks) {
  const auto relu_of = [](const Tensor& x) { return relu(x); };
  const auto near = gradcheck(relu_of, {numbers({1e-5, 2, -1e-8, -1})});
  BOOST_TEST(near.ok(), near);
  BOOST_TEST(!gradcheck(relu_of, {numbers({0, 2, -1})}));
}

BOOST_AUTO_TEST_CASE(ids_are_passed_through) {
  const Tensor ids = tensor({2, 0, 2});
  const auto rows = [](const Tensor& table, const Tensor& i) { return embedding(table, i); };
  const auto report = gradcheck(rows, {uniform({4, 3}, -1, 1), ids});
  BOOST_TEST(report.ok(), report);
  BOOST_TEST(report.compared() == 9 * 12);
}

BOOST_AUTO_TEST_CASE(states_go_in_and_come_out) {
  struct Inner {
    Tensor h, c;
  };
  struct State {
    std::vector<Inner> forward;
    std::optional<Tensor> extra;
    Index count;
  };
  const State state{
      .forward = {{uniform({2}, -1, 1), uniform({2}, -1, 1)}, {uniform({2}, -1, 1), {}}},
      .extra = uniform({2}, -1, 1),
      .count = 3};
  struct Out {
    Tensor a;
    Tensor ids;
    std::array<Tensor, 2> rest;
  };
  const auto f = [](const State& s) {
    BOOST_TEST_REQUIRE(s.count == 3);
    BOOST_TEST_REQUIRE(!s.forward[1].c.defined());
    return Out{.a = s.forward[0].h * s.forward[0].c,
               .ids = argmax(*s.extra, 0),
               .rest = {sum(exp(s.forward[1].h)), *s.extra * detach(*s.extra)}};
  };
  const auto report = gradcheck(f, state, {.order = 1});
  BOOST_TEST_REQUIRE(report.findings().size() == 1U, report);
  BOOST_TEST(report.findings()[0].input == "state.1");
  BOOST_TEST(report.findings()[0].result == 2);
  BOOST_TEST(report.findings()[0].results == 3);
  const auto other = [](const State& s) {
    return s.forward[0].h + s.forward[0].c * detach(s.forward[1].h);
  };
  const auto second = gradcheck(other, state);
  BOOST_TEST_REQUIRE(second.findings().size() == 1U, second);
  BOOST_TEST(second.findings()[0].input == "state.forward[1].h");
  BOOST_TEST((second.findings()[0].cause == GradcheckCause::missing));
}

// One mask in every evaluation under .training, none without; and what f draws itself is fixed.
BOOST_AUTO_TEST_CASE(random_numbers_are_held) {
  const auto dropped = [](const Tensor& x) { return dropout(x, 0.5) * x; };
  const Tensor x = uniform({20}, 1, 2);
  const Rng before = default_rng();
  const auto report = gradcheck(dropped, {x}, {.training = true});
  BOOST_TEST(report.ok(), report);
  int zeros_seen = 0;
  const auto count = [&](const Tensor& v) {
    const Tensor y = dropout(v, 0.5);
    const Tensor all = detach(y.to(f64));
    for (const double value : all.span<double>()) zeros_seen += value == 0 ? 1 : 0;
    return y;
  };
  BOOST_TEST(gradcheck(count, {x}).ok());
  BOOST_TEST(zeros_seen == 0);
  BOOST_TEST(gradcheck(count, {x}, {.training = true}).ok());
  BOOST_TEST(zeros_seen > 0);
  const auto noisy = [](const Tensor& v) { return v * normal({20}, 0, 1, v.dtype()); };
  BOOST_TEST(gradcheck(noisy, {x}).ok());
  BOOST_TEST((default_rng() == before));
}

BOOST_AUTO_TEST_CASE(a_tape_of_the_caller_goes_on) {
  Tape tape;
  const Tensor x = tape.watch(uniform({3}, -1, 1, f64));
  const Tensor y = sum(x * x);
  const Index nodes = tape.nodes();
  const auto report = gradcheck([](const Tensor& v) { return exp(v); },
                                {
                                    x,
                                },
                                {.order = 2});
  BOOST_TEST(report.ok(), report);
  BOOST_TEST(tape.nodes() == nodes);
  BOOST_TEST(all_close(tape.gradient(y, x), x * 2.0));
}

BOOST_AUTO_TEST_CASE(a_report_prints) {
  const auto right = gradcheck([](const Tensor& x) { return x * 2.0; }, {numbers({1, 2})});
  std::ostringstream out;
  out << right;
  BOOST_TEST(out.str().starts_with("gradcheck: 4 derivatives of 1 input agree, largest relative "));
  BOOST_TEST(static_cast<bool>(right));
  const auto one = gradcheck([](const Tensor& x) { return x * 2.0; }, {numbers({1})});
  BOOST_TEST(
      one.text().starts_with("gradcheck: 1 derivative of 1 input agrees, largest relative "));
  const auto f = [](const Tensor& x) { return x * detach(x); };
  const auto wrong = gradcheck(f, {numbers({1, 2})});
  const std::string text = wrong.text();
  BOOST_TEST(text.starts_with(
      "gradcheck: 1 finding\n"
      "input 0 [2] at [0], output [0]: analytic 1, numeric 2, relative error 0.5; 2 of 4 are "
      "wrong\n  wrong derivative: differences agree with each other and not with the derivative "
      "rule; look at the rule\n"
      "  step        numeric             relative error\n"
      "  0.1         2                   0.5\n"));
  BOOST_TEST(wrong.findings()[0].sweep.size() == 11U);
}

BOOST_AUTO_TEST_CASE(progress_is_told) {
  std::vector<double> told;
  const auto f = [](const Tensor& a, const Tensor& b) { return a * b; };
  BOOST_TEST(gradcheck(f, {numbers({1}), numbers({2})},
                       {.order = 2, .progress = [&](double p) { told.push_back(p); }}));
  BOOST_TEST_REQUIRE(told.size() == 5U);
  BOOST_TEST(std::is_sorted(told.begin(), told.end()));
  BOOST_TEST(told.back() == 1);
}

BOOST_AUTO_TEST_CASE(empty_tensors) {
  const auto f = [](const Tensor& x, const Tensor& y) { return concat({x, y}, 0) * 2.0; };
  const auto report = gradcheck(f, {zeros({0}), numbers({1})}, {.order = 2});
  BOOST_TEST(report.ok(), report);
  BOOST_TEST(gradcheck([](const Tensor& x) { return x * x; }, {zeros({0, 3})}, {.order = 2}).ok());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(gradcheck_errors)

BOOST_AUTO_TEST_CASE(wrong_calls) {
  const auto f = [](const Tensor& x) { return log(x); };
  check_throws([&] { return gradcheck(f, std::vector<Tensor>{}); },
               "[gradcheck] no inputs; needed a tensor or a parameter with a gradient; hint: "
               "gradcheck(f, {uniform({3, 4}, -1, 1)})");
  check_throws(
      [&] {
        return gradcheck(f, {tensor({1, 2})});
      },
      "[gradcheck] inputs of which none is f32 or f64; needed a tensor or a parameter with a "
      "gradient; hint: gradcheck(f, {uniform({3, 4}, -1, 1)})");
  check_throws([&] { return gradcheck(f, {Tensor()}); },
               "[gradcheck] input 0 is undefined; needed a tensor; hint: uniform({3, 4}, -1, 1)");
  check_throws(
      [&] {
        return gradcheck(f, {numbers({1}), numbers({1})});
      },
      "[gradcheck] 2 inputs for a function that cannot be called with so many tensors; "
      "needed an input for every argument, at most 8, or one span; hint: "
      "gradcheck([](const Tensor& a, const Tensor& b) { return a * b; }, {x, y})");
  check_throws([&] { return gradcheck(f, {numbers({1})}, {.order = 3}); },
               "[gradcheck] order 3; needed 1 or 2; hint: {.order = 2}");
  check_throws([&] { return gradcheck(f, {numbers({1})}, {.relative = -1}); },
               "[gradcheck] relative -1.000000; needed a number above 0; hint: {.relative = 1e-7}");
  check_throws(
      [&] { return gradcheck(f, {numbers({1})}, {.entries = 0, .directions = 0, .rows = 0}); },
      "[gradcheck] entries 0, directions 0, rows 0; needed counts, not all of them 0; hint: "
      "{.entries = 4096, .directions = 8, .rows = 8}");
}

BOOST_AUTO_TEST_CASE(wrong_functions) {
  const auto largest = [](const Tensor& x) { return argmax(x, 0); };
  check_throws(
      [&] {
        return gradcheck(largest, {numbers({1, 2})});
      },
      "[gradcheck] the function returns i64 []; needed a Tensor of f64, or a state with "
      "one; hint: whole numbers have no derivative");
  const auto nothing = [](const Tensor&) { return std::vector<Tensor>{}; };
  check_throws(
      [&] {
        return gradcheck(nothing, {numbers({1, 2})});
      },
      "[gradcheck] the function returns nothing; needed a Tensor of f64, or a state with "
      "one; hint: whole numbers have no derivative");
  const auto log_of = [](const Tensor& x) { return std::array{x, log(x)}; };
  check_throws(
      [&] {
        return gradcheck(log_of, {numbers({1, -2})});
      },
      "[gradcheck] the function returns NaN at [1] of f64 [2]; needed finite values at the "
      "point; hint: Tape tape({.check_finite = true}) finds where it began");
  check_throws(
      [&] {
        return gradcheck(log_of, {numbers({1, NAN})});
      },
      "[gradcheck] input 0 f64 [2] has NaN at [1]; needed finite values");
  const std::string on_none =
      "[gradcheck] a function that depends on none of its inputs; needed a function of what is "
      "checked; hint: gradcheck([](const Tensor& x) { return exp(x); }, {x})";
  const auto constant = [](const Tensor&) { return ones({2}, f64); };
  check_throws([&] { return gradcheck(constant, {numbers({1, 2})}); }, on_none);
  const Tensor other = make_parameter(numbers({1, 2}), "other");
  const auto of_another = [&](const Tensor&) { return exp(other); };
  check_throws([&] { return gradcheck(of_another, {numbers({1, 2})}); }, on_none);
  Index calls = 0;
  const auto growing = [&](const Tensor& x) { return expand(x, {++calls, 2}); };
  check_throws(
      [&] {
        return gradcheck(growing, {numbers({1, 2})});
      },
      "[gradcheck] the function returned [1, 2] at first and f64 [2, 2] later; needed one "
      "shape at every call; hint: a function of its inputs and of parameters alone");
}

// At the point f's own exceptions go through; beside it an Error only says that there is no value.
BOOST_AUTO_TEST_CASE(functions_that_throw) {
  const auto refuses = [](const Tensor& x) { return matmul(x, x); };
  check_throws(
      [&] {
        return gradcheck(refuses, {numbers({1, 2})});
      },
      error_text([&] {
        static_cast<void>(refuses(numbers({1, 2})));
      }));
  const auto positive = [](const Tensor& x) {
    for (const double v : detach(x).span<double>())
      if (v <= 0) fail("positive", {.given = "a number below 0", .needed = {}, .hint = {}});
    return sqrt(x);
  };
  const auto small = gradcheck(positive, {numbers({1e-3, 2, 3})}, {.single_precision = false});
  BOOST_TEST(small.ok(), small);
  int calls = 0;
  const auto breaks = [&](const Tensor& x) {
    if (++calls == 9) throw std::runtime_error("broken");
    return x * 2.0;
  };
  BOOST_CHECK_EXCEPTION(static_cast<void>(gradcheck(breaks, {numbers({1, 2})})), std::runtime_error,
                        [](const auto& e) { return std::string(e.what()) == "broken"; });
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
