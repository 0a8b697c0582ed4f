// Gradients that are recorded: pieces of one tensor and products with one weight are taken together.
#include <algorithm>

#include <boost/test/unit_test.hpp>

#include "support/numeric.h"

namespace unroll::test {
namespace {

Index count_of(const Tape& tape, const std::string& operation) {
  const auto snapshot = tape.snapshot();
  return std::count_if(snapshot.nodes.begin(), snapshot.nodes.end(),
                       [&](const graph::Node& n) { return n.operation == operation; });
}

Tensor random(const Shape& shape, std::uint64_t number) {
  Rng rng(number);
  return uniform(shape, -1, 1, rng, f64);
}

using Inputs = std::vector<Tensor>;
using Loss = std::function<Tensor(const Inputs&)>;

// Recorded and in place give one gradient, and the gradient of Σ w·gradient agrees with
// differences.
void check(const Loss& f, const Inputs& at) {
  Tape tape;
  Inputs x, w;
  for (const Tensor& t : at) {
    x.push_back(tape.watch(t));
    w.push_back(random(t.shape(), 7));
  }
  const Tensor y = f(x);
  const auto in_place = tape.gradient(y, x);
  const auto recorded = tape.gradient(y, x, {.differentiable = true});
  Tensor slope = zeros({}, f64);
  for (std::size_t k = 0; k < x.size(); ++k) {
    BOOST_TEST(disagreement(detach(recorded[k]), in_place[k], {.relative = 1e-12}) == "");
    slope = slope + sum(recorded[k] * w[k]);
  }
  const auto second = tape.gradient(slope, x, {.unreached = Unreached::zero});
  const auto pause = tape.pause();
  const Function slope_of = [&](std::span<const Tensor> p) {
    Tape inner;
    Inputs z;
    for (const Tensor& t : p) z.push_back(inner.watch(t));
    const auto g = inner.gradient(f(z), z);
    Tensor total = zeros({}, f64);
    for (std::size_t k = 0; k < z.size(); ++k) total = total + sum(g[k] * w[k]);
    return total;
  };
  for (std::size_t k = 0; k < at.size(); ++k) {
    const auto numeric = numeric_gradient(slope_of, at, k, full({}, 1, f64));
    BOOST_TEST(disagreement(second[k], numeric.gradient, {.relative = 1e-7}) == "");
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(recorded_gradients)

// Else the time of a second derivative would grow with the square of the number of steps.
BOOST_AUTO_TEST_CASE(steps_of_a_sequence_are_placed_once) {
  Tape tape;
  const Tensor x = tape.watch(random({50, 2, 3}, 1));
  const Tensor W = tape.watch(random({3, 3}, 2));
  Tensor h = zeros({2, 3}, f64);
  for (Index t = 0; t < 50; ++t) h = tanh(affine(h, W, select(x, 0, t)));
  const Index before = tape.nodes();
  const auto g = tape.gradient(sum(h), {x, W}, {.differentiable = true});
  BOOST_TEST((g[0].shape() == x.shape()));
  BOOST_TEST(count_of(tape, "place") == 1);
  BOOST_TEST(count_of(tape, "matmul") == 49 + 1);  // of every h but the first, and of W
  BOOST_TEST(count_of(tape, "transpose") == 2);    // of W, and of all h
  BOOST_TEST(count_of(tape, "add") == 0);
  BOOST_TEST(tape.nodes() - before < 4 * 50);
}

BOOST_AUTO_TEST_CASE(gates_are_placed_once) {
  Tape tape;
  const Tensor x = tape.watch(random({2, 8}, 1));
  const auto [a, b, c, d] = split<4>(x, -1);
  const Tensor g = tape.gradient(sum(a * b * c * d), x, {.differentiable = true});
  BOOST_TEST(count_of(tape, "place") == 1);
  BOOST_TEST(tape.gradient(sum(g), x).defined());
}

BOOST_AUTO_TEST_CASE(views_that_overlap) {
  check(
      [](const Inputs& in) {
        const Tensor a = slice(in[0], {.to = 4});
        const Tensor b = slice(in[0], {.from = 2});
        return sum(a * b * a) + sum(square(transpose(in[1], 0, 1)) * slice(in[1], {.to = 3}));
      },
      {random({6}, 1), random({3, 3}, 2)});
}

BOOST_AUTO_TEST_CASE(views_of_views_and_the_whole) {
  check(
      [](const Inputs& in) {
        const Tensor turned = transpose(in[0], 0, 1);
        const Tensor row = select(turned, 0, 1);
        const Tensor some = slice(row, {.from = 1, .step = 2});
        return sum(square(some) * some) + sum(tanh(in[0])) + sum(row * row * row) +
               sum(exp(reshape(in[0], {-1})));
      },
      {random({4, 3}, 1)});
}

BOOST_AUTO_TEST_CASE(a_weight_used_often) {
  check(
      [](const Inputs& in) {
        Tensor h = in[0];
        for (int i = 0; i < 3; ++i) h = tanh(matmul(h, in[1]) + matmul(h, transpose(in[1], 0, 1)));
        return sum(square(h)) + sum(in[1] * in[1] * in[1]);
      },
      {random({2, 3}, 1), random({3, 3}, 2)});
}

BOOST_AUTO_TEST_CASE(products_of_unequal_shapes) {
  check(
      [](const Inputs& in) {
        const Tensor y = tanh(matmul(in[0], in[2]));
        const Tensor z = sigmoid(matmul(in[1], in[2]));
        return sum(square(y)) + sum(z * z * z);
      },
      {random({2, 2, 3}, 1), random({3}, 2), random({3, 2}, 3)});
}

// More rows than are joined for one product.
BOOST_AUTO_TEST_CASE(many_rows) {
  const auto f = [](const Inputs& in) {
    Tensor total = zeros({}, f64);
    for (Index i = 0; i < 4; ++i) total = total + sum(tanh(matmul(select(in[0], 0, i), in[1])));
    return total;
  };
  Tape tape;
  const Inputs x{tape.watch(random({4, 900, 2}, 1)), tape.watch(random({2, 3}, 2))};
  const Tensor y = f(x);
  const auto in_place = tape.gradient(y, x);
  const auto recorded = tape.gradient(y, x, {.differentiable = true});
  BOOST_TEST(count_of(tape, "matmul") == 4 + 4 + 2);
  for (std::size_t k = 0; k < 2; ++k)
    BOOST_TEST(all_close(detach(recorded[k]), in_place[k], {.relative = 1e-12}));
}

// The third derivative of pᵀ·A·B·C·q along all ones, by hand.
BOOST_AUTO_TEST_CASE(third_derivatives_through_views) {
  Tape tape;
  const Tensor x = tape.watch(random({2, 6}, 1));
  const Tensor p = random({2}, 2), q = random({2}, 3), E = ones({2, 2}, f64);
  const auto [A, B, C] = split<3>(x, -1);
  const Tensor y = matmul(matmul(matmul(matmul(unsqueeze(p, 0), A), B), C), unsqueeze(q, 1));
  const GradientOptions again{.differentiable = true};
  const Tensor first = tape.gradient(y, x, again);
  const Tensor second = tape.gradient(sum(first), x, again);
  const Tensor third = detach(tape.gradient(sum(second), x));
  const Tensor Ep = matmul(E, p), Eq = matmul(E, q);
  const Tensor expected =
      2.0 * concat({outer(p, matmul(E, Eq)), outer(Ep, Eq), outer(matmul(E, Ep), q)}, -1);
  BOOST_TEST(all_close(third, expected, {.relative = 1e-12}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
