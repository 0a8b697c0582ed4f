// Products of matrices against plain sums, at shapes and strides where the fast paths change.
#include <boost/test/unit_test.hpp>

#include "support/leaves.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

Tensor numbers(const Shape& shape, std::uint64_t stream) {
  Rng rng(stream);
  return uniform(shape, -1, 1, rng, f64);
}

// Row by row, in long double.
Tensor product(const Tensor& x, const Tensor& W) {
  const auto a = values(x), b = values(W);
  const auto depth = static_cast<std::size_t>(W.size(0)),
             columns = static_cast<std::size_t>(W.size(1));
  const Shape shape = x.shape().with(-1, W.size(1));
  std::vector<double> y(static_cast<std::size_t>(shape.size()));
  for (std::size_t i = 0; i < y.size(); ++i) {
    long double total = 0;
    for (std::size_t k = 0; k < depth; ++k)
      total += static_cast<long double>(a[i / columns * depth + k]) * b[k * columns + i % columns];
    y[i] = static_cast<double>(total);
  }
  return from(std::span<const double>(y), shape);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(products)

BOOST_AUTO_TEST_CASE(every_small_shape_in_every_layout) {
  for (const Index m : {1, 2, 5})
    for (const Index k : {1, 3, 8})
      for (const Index n : {1, 4, 17}) {
        const Tensor x = numbers({m, k}, 1), W = numbers({k, n}, 2);
        const Tensor expected = product(x, W);
        const std::vector<Tensor> xs{
            x,
            with_gaps(x),
            slice(numbers({m, k + 3}, 3), {.axis = 1, .from = 2, .to = k + 2}),
            transpose(numbers({k, m}, 4), 0, 1),
            expand(numbers({1, k}, 5), {m, k}),
            expand(numbers({m, 1}, 6), {m, k}),
            select(numbers({m, 3, k}, 7), 1, 1)};
        const std::vector<Tensor> Ws{
            W,
            with_gaps(W),
            slice(numbers({k, n + 5}, 8), {.axis = 1, .from = 1, .to = n + 1}),
            transpose(numbers({n, k}, 9), 0, 1),
            expand(numbers({1, n}, 10), {k, n}),
            slice(numbers({2 * k, n}, 11), {.step = 2})};
        for (const Tensor& a : xs)
          for (const Tensor& b : Ws) {
            BOOST_REQUIRE(
                all_close(matmul(a, b), product(a, b), {.relative = 1e-13, .absolute = 1e-15}));
            BOOST_REQUIRE(all_close(matmul(a.to(f32), b.to(f32)).to(f64), product(a, b),
                                    {.relative = 1e-5, .absolute = 1e-5}));
          }
      }
}

BOOST_AUTO_TEST_CASE(gradients_of_strided_operands_in_single_precision) {
  for (const Index n : {1, 64, 256, 1024}) {
    Tape tape;
    const Tensor x = tape.watch(numbers({6, 12}, 1).to(f32));
    const Tensor W = tape.watch(numbers({12, n}, 2).to(f32));
    const Tensor w = numbers({6, n}, 3);
    Tensor y = matmul(x, W) + matmul(x * 2.0, W);
    auto [gx, gW] = tape.gradient(y, {x, W}, {.upstream = w.to(f32)});
    const Tensor x64 = x.to(f64), W64 = W.to(f64);
    BOOST_TEST(
        disagreement(gx, 3.0 * product(w, transpose(detach(W64), 0, 1)), {.relative = 1e-4}) == "");
    BOOST_TEST(
        disagreement(gW, 3.0 * product(transpose(detach(x64), 0, 1), w), {.relative = 1e-4}) == "");
  }
}

BOOST_AUTO_TEST_CASE(no_depth_of_higher_rank) {
  for (const bool differentiable : {false, true}) {
    for (const auto& [x_shape, W_shape] : {std::pair{Shape{2, 3, 0}, Shape{0, 2}},
                                           {Shape{2, 3, 4}, Shape{4, 0}},
                                           {Shape{0, 3, 4}, Shape{4, 2}},
                                           {Shape{0}, Shape{0, 3}},
                                           {Shape{2, 0}, Shape{0, 0}}}) {
      Tape tape;
      const Tensor x = tape.watch(numbers(x_shape, 1)), W = tape.watch(numbers(W_shape, 2));
      const Tensor y = matmul(x, W) + matmul(x, W);
      BOOST_TEST(y.shape() == x_shape.with(-1, W_shape[1]));
      for (const double v : values(y)) BOOST_TEST(v == 0.0);
      auto [gx, gW] = tape.gradient(
          y, {x, W}, {.upstream = ones(y.shape(), f64), .differentiable = differentiable});
      BOOST_TEST(gx.shape() == x_shape);
      BOOST_TEST(gW.shape() == W_shape);
      for (const double v : values(gW)) BOOST_TEST(v == 0.0);
    }
  }
}

BOOST_AUTO_TEST_CASE(operands_that_do_not_fit) {
  BOOST_CHECK_THROW(static_cast<void>(matmul(zeros({2, 3}), zeros({2, 3}))), Error);
  BOOST_CHECK_THROW(static_cast<void>(matmul(zeros({2, 3}), zeros({2}))), Error);
  BOOST_CHECK_THROW(static_cast<void>(matmul(zeros({}), zeros({1, 2}))), Error);
  BOOST_CHECK_THROW(static_cast<void>(matmul(zeros({2, 3}), zeros({3, 2}, f64))), Error);
  BOOST_CHECK_THROW(static_cast<void>(affine(zeros({2, 3}), zeros({3, 2}), zeros({3}))), Error);
  BOOST_CHECK_THROW(static_cast<void>(affine(zeros({2, 3}), zeros({3, 2}), zeros({1, 2}))), Error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
