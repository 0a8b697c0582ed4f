// Pointwise functions of the user's: what they may be, and how operands broadcast.
#include <cmath>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

constexpr auto swish = [](auto x, auto slope) { return x * sigmoid(slope * x); };
constexpr auto lstm = [](auto i, auto f, auto g, auto o, auto c0) {
  auto c1 = sigmoid(f) * c0 + sigmoid(i) * tanh(g);
  return std::tuple{sigmoid(o) * tanh(c1), c1};
};
constexpr auto eight = [](auto a, auto b, auto c, auto d, auto e, auto f, auto g, auto h) {
  return std::tuple{a * b, b * c, c * d, d * e, e * f, f * g, g * h, h * a + a * c * e * g};
};
constexpr auto branch = [](auto x, auto y) { return where(x > y, x * x, y * 3.0); };

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

void check_against_differences(const Function& f, const std::vector<Tensor>& at) {
  Tape tape;
  std::vector<Tensor> x;
  for (const Tensor& leaf : at) x.push_back(tape.watch(leaf));
  const Tensor y = f(x);
  Rng rng(3);
  const Tensor w = random_weights(y.shape(), rng);
  const auto g = tape.gradient(y, x, {.upstream = w});
  for (std::size_t i = 0; i < at.size(); ++i)
    BOOST_TEST(disagreement(g[i], numeric_gradient(f, at, i, w).gradient, {.relative = 1e-8}) ==
               "");
}

Tensor numbers(const Shape& shape, std::uint64_t stream) {
  Rng rng(stream);
  return uniform(shape, -1, 1, rng, f64);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(pointwise_functions)

BOOST_AUTO_TEST_CASE(works_on_plain_numbers_too) {
  BOOST_TEST(swish(2.0, 1.5) == 2 * sigmoid_of(3.0), boost::test_tools::tolerance(1e-15));
  BOOST_TEST(branch(2.0, 1.0) == 4.0);
  BOOST_TEST(branch(0.0, 1.0) == 3.0);
}

BOOST_AUTO_TEST_CASE(values_are_those_of_the_function_on_numbers) {
  for (const Index n : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100}) {
    const Tensor x = numbers({n}, 1), s = numbers({n}, 2);
    const Tensor y = pointwise(swish, x, s);
    for (Index k = 0; k < n; ++k) {
      const auto at = static_cast<std::size_t>(k);
      const double expected = swish(x.span<double>()[at], s.span<double>()[at]);
      BOOST_REQUIRE_SMALL(y.span<double>()[at] - expected, 1e-15);
    }
  }
}

BOOST_AUTO_TEST_CASE(numbers_as_arguments_and_captured) {
  const Tensor x = numbers({7}, 1);
  const double slope = 1.5;
  const Tensor by_argument = pointwise(swish, x, slope);
  const Tensor captured = pointwise([slope](auto v) { return v * sigmoid(slope * v); }, x);
  const Tensor as_tensor = pointwise(swish, x, full({}, slope, f64));
  BOOST_TEST(all_equal(by_argument, as_tensor));
  BOOST_TEST(all_close(by_argument, captured, {.relative = 1e-15}));
  check_against_differences([](auto in) { return pointwise(swish, in[0], 1.5); }, {x});
  // A captured number lives in the record: the tape may outlast the lambda.
  check_against_differences(
      [](auto in) {
        Tensor y;
        for (const double k : {0.5, 2.0}) {
          const float single = static_cast<float>(k);
          const int whole = static_cast<int>(2 * k);
          const Tensor term = pointwise(
              [k, single, whole](auto v) { return k * v * v + single * v - v * v * v * whole; },
              in[0]);
          y = y.defined() ? y + term : term;
        }
        return y;
      },
      {x});
}

BOOST_AUTO_TEST_CASE(several_results) {
  const Tensor x = numbers({3, 5}, 1);
  auto [h, c] = pointwise(lstm, x, x, x, x, x);
  BOOST_TEST(h.shape() == (Shape{3, 5}));
  const double v = x.span<double>()[7];
  const double c1 = sigmoid_of(v) * v + sigmoid_of(v) * std::tanh(v);
  BOOST_TEST(c.span<double>()[7] == c1, boost::test_tools::tolerance(1e-14));
  BOOST_TEST(h.span<double>()[7] == sigmoid_of(v) * std::tanh(c1),
             boost::test_tools::tolerance(1e-14));
}

// Only one of the results is read, then the other, then both.
BOOST_AUTO_TEST_CASE(results_that_nobody_reads) {
  const std::vector<Tensor> at{numbers({3, 4}, 1), numbers({3, 4}, 2), numbers({3, 4}, 3),
                               numbers({3, 4}, 4), numbers({3, 4}, 5)};
  for (const int used : {1, 2, 3})
    check_against_differences(
        [used](auto in) {
          auto both = pointwise(lstm, in[0], in[1], in[2], in[3], in[4]);
          return used == 1 ? both[0] : used == 2 ? both[1] : both[0] * both[1];
        },
        at);
}

BOOST_AUTO_TEST_CASE(eight_arguments_and_eight_results) {
  std::vector<Tensor> at;
  for (std::uint64_t k = 0; k < 8; ++k)
    at.push_back(numbers(k % 2 == 0 ? Shape{2, 3} : Shape{3}, k));
  check_against_differences(
      [](auto in) {
        const auto all = pointwise(eight, in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7]);
        return stack(all, 0);
      },
      at);
}

BOOST_AUTO_TEST_CASE(choice_by_mask) {
  const Tensor x = tensor({1.0, -1.0, 0.5}, f64), y = tensor({0.0, 2.0, 0.9}, f64);
  BOOST_TEST(all_close(pointwise(branch, x, y), tensor({1.0, 6.0, 2.7}, f64), {.relative = 1e-15}));
  check_against_differences([](auto in) { return pointwise(branch, in[0], in[1]); }, {x, y});
}

// What is not chosen does not come through, be it infinite.
BOOST_AUTO_TEST_CASE(the_branch_not_taken_gives_no_gradient) {
  Tape tape;
  const Tensor x = tape.watch(tensor({0.0, 4.0}, f64));
  const Tensor y = pointwise([](auto v) { return where(v > 0.0, sqrt(v), v * 0.0); }, x);
  const Tensor g = tape.gradient(sum(y), x);
  BOOST_TEST(g.span<double>()[0] == 0.0);
  BOOST_TEST(g.span<double>()[1] == 0.25);
}

BOOST_AUTO_TEST_CASE(derivatives_at_the_awkward_points) {
  Tape tape;
  const auto at_zero = [&](Tensor (*f)(const Tensor&)) {
    const Tensor x = tape.watch(tensor({0.0}, f64));
    return tape.gradient(f(x), x).item();
  };
  BOOST_TEST(at_zero(abs) == 0.0);
  BOOST_TEST(at_zero(relu) == 0.0);
  BOOST_TEST(std::isinf(at_zero(sqrt)));
  BOOST_TEST(at_zero([](const Tensor& x) { return leaky_relu(x, 0.1); }) == 0.1,
             boost::test_tools::tolerance(1e-16));
  BOOST_TEST(at_zero([](const Tensor& x) { return elu(x, 1.3); }) == 1.3,
             boost::test_tools::tolerance(1e-15));
  const Tensor nan = tape.watch(tensor({std::nan("")}, f64));
  for (Tensor (*f)(const Tensor&) : {relu, abs, tanh, sigmoid, gelu})
    BOOST_TEST(std::isnan(f(nan).item()));
}

BOOST_AUTO_TEST_CASE(operands_broadcast) {
  const auto call = [](const Tensor& a, const Tensor& b) {
    return pointwise([](auto x, auto y) { return x - 2.0 * y; }, a, b);
  };
  const Tensor a = numbers({2, 1, 3}, 1), b = numbers({4, 1}, 2);
  const Tensor y = call(a, b);
  BOOST_REQUIRE(y.shape() == (Shape{2, 4, 3}));
  for (Index i = 0; i < 2; ++i)
    for (Index j = 0; j < 4; ++j)
      for (Index k = 0; k < 3; ++k)
        BOOST_TEST(select(select(select(y, 0, i), 0, j), 0, k).item() ==
                   a.span<double>()[static_cast<std::size_t>(i * 3 + k)] -
                       2.0 * b.span<double>()[static_cast<std::size_t>(j)]);
  BOOST_TEST(error_text([&] { static_cast<void>(call(zeros({3}, f64), zeros({4}, f64))); }) ==
             "[pointwise] f64 [3] and f64 [4] do not broadcast; needed equal extents, or 1, "
             "counted from the last axis; hint: "
             "reshape(x, {…, 1}) lines an axis up");
}

// Gates are columns of one block, read without a copy; also where a column is one element wide.
BOOST_AUTO_TEST_CASE(column_of_a_wider_block) {
  for (const Index width : {1, 2, 3, 8, 9, 33}) {
    const Tensor block = numbers({5, 4 * width}, 1);
    const Tensor state = numbers({5, width}, 2);
    const auto gates = split<4>(block, -1);
    std::array<Tensor, 4> dense;
    for (std::size_t k = 0; k < 4; ++k) dense[k] = contiguous(gates[k]);
    const auto expected = pointwise(lstm, dense[0], dense[1], dense[2], dense[3], state);
    const auto found = pointwise(lstm, gates[0], gates[1], gates[2], gates[3], state);
    BOOST_TEST(all_equal(found[0], expected[0]));
    BOOST_TEST(all_equal(found[1], expected[1]));
    if (width > 3) continue;
    check_against_differences(
        [](auto in) {
          const auto g = split<4>(in[0], -1);
          auto both = pointwise(lstm, g[0], g[1], g[2], g[3], in[1]);
          return both[0] + both[1];
        },
        {block, state});
  }
}

BOOST_AUTO_TEST_CASE(order_beyond_two_throws) {
  Tape tape;
  const Tensor x = tape.watch(full({}, 0.7, f64));
  Tensor y = tanh(x);
  y = tape.gradient(y, x, {.differentiable = true});
  const double t = std::tanh(0.7), d = 1 - t * t;
  BOOST_TEST(y.item() == d, boost::test_tools::tolerance(1e-14));
  y = tape.gradient(y, x, {.differentiable = true});
  BOOST_TEST(y.item() == -2 * t * d, boost::test_tools::tolerance(1e-13));
  BOOST_TEST(error_text([&] { static_cast<void>(tape.gradient(y, x)); })
                 .find("a derivative past the order this pointwise function was compiled for; "
                       "needed order 2 at most") != std::string::npos);
  // The tape goes on.
  BOOST_TEST(tape.gradient(x * x, x).item() == 1.4, boost::test_tools::tolerance(1e-15));
}

BOOST_AUTO_TEST_CASE(order_one_where_it_is_asked_for) {
  Tape tape;
  const Tensor x = tape.watch(full({}, 0.7, f64));
  const Tensor y = pointwise<1>([](auto v) { return v * v * v; }, x);
  const Tensor g = tape.gradient(y, x, {.differentiable = true});
  BOOST_TEST(g.item() == 3 * 0.49, boost::test_tools::tolerance(1e-14));
  BOOST_CHECK_THROW(static_cast<void>(tape.gradient(g, x)), Error);
}

BOOST_AUTO_TEST_CASE(whole_numbers_and_undefined_are_refused) {
  BOOST_CHECK_THROW(static_cast<void>(pointwise(swish, tensor({1, 2}), 1.0)), Error);
  BOOST_CHECK_THROW(static_cast<void>(pointwise(swish, Tensor{}, 1.0)), Error);
  BOOST_CHECK_THROW(static_cast<void>(pointwise(swish, ones({2}), Tensor{})), Error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
