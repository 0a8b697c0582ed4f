// First values of parameters.
#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"
#include "support/recurrent_layers.h"

namespace unroll::test {
namespace {

struct Moments {
  double mean = 0, deviation = 0, least = 0, most = 0;
};
Moments moments(const Tensor& x) {
  const auto all = values(x);
  Moments m{.least = all[0], .most = all[0]};
  for (const double v : all) {
    m.mean += v / static_cast<double>(all.size());
    m.least = std::min(m.least, v);
    m.most = std::max(m.most, v);
  }
  for (const double v : all)
    m.deviation += (v - m.mean) * (v - m.mean) / static_cast<double>(all.size());
  m.deviation = std::sqrt(m.deviation);
  return m;
}

Tensor make(const init::Init& init, const Shape& shape, std::uint64_t seed_of_stream = 1) {
  Rng rng(seed_of_stream);
  return init(shape, f64, rng);
}

void check_orthonormal(const Tensor& W) {
  const bool wide = W.size(1) > W.size(0);
  const Tensor product = wide ? matmul(W, transpose(W, 0, 1)) : matmul(transpose(W, 0, 1), W);
  BOOST_TEST(all_close(product, eye(product.size(0), f64), {.relative = 0, .absolute = 1e-14}));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(initialisation)

BOOST_AUTO_TEST_CASE(constants) {
  BOOST_TEST(all_equal(make(init::zeros(), {2, 3}), zeros({2, 3}, f64)));
  BOOST_TEST(all_equal(make(init::constant(1.5), {4}), full({4}, 1.5, f64)));
}

// Bounds of the means are five deviations of a mean of so many.
BOOST_AUTO_TEST_CASE(uniform_and_normal) {
  const Moments u = moments(make(init::uniform(0.5), {100, 200}));
  BOOST_TEST(u.least >= -0.5);
  BOOST_TEST(u.most < 0.5);
  BOOST_TEST(u.most - u.least > 0.99);
  BOOST_TEST(std::abs(u.mean) < 5 * 0.5 / std::sqrt(3 * 20000.0));
  const Moments n = moments(make(init::normal(2), {100, 200}));
  BOOST_TEST(std::abs(n.mean) < 5 * 2 / std::sqrt(20000.0));
  BOOST_TEST(n.deviation == 2, boost::test_tools::tolerance(0.03));
  const Moments he = moments(make(init::he(), {50, 400}));
  BOOST_TEST(he.deviation == std::sqrt(2.0 / 50), boost::test_tools::tolerance(0.03));
}

BOOST_AUTO_TEST_CASE(xavier) {
  for (const Index blocks : {1, 4}) {
    const Tensor W = make(init::xavier({.blocks = blocks}), {30, 4 * 50});
    const double bound = std::sqrt(6.0 / (30 + 200 / static_cast<double>(blocks)));
    for (Index k = 0; k < blocks; ++k) {
      const Index width = 200 / blocks;
      const Moments m = moments(slice(W, {.axis = 1, .from = k * width, .to = (k + 1) * width}));
      BOOST_TEST(m.least >= -bound);
      BOOST_TEST(m.most <= bound);
      BOOST_TEST(m.most > 0.98 * bound);
      BOOST_TEST(m.deviation == bound / std::sqrt(3.0), boost::test_tools::tolerance(0.1));
    }
  }
}

BOOST_AUTO_TEST_CASE(orthogonal) {
  check_orthonormal(make(init::orthogonal(), {6, 6}));
  check_orthonormal(make(init::orthogonal(), {9, 4}));
  check_orthonormal(make(init::orthogonal(), {4, 9}));
  check_orthonormal(make(init::orthogonal(), {1, 1}));
  const Tensor W = make(init::orthogonal({.blocks = 3}), {5, 15});
  for (const Tensor& block : split<3>(W, 1)) check_orthonormal(block);
  // Of both signs: without the correction the diagonal of R would always be of one.
  double positive = 0;
  for (std::uint64_t s = 0; s < 200; ++s)
    positive += make(init::orthogonal(), {1, 1}, s).item() > 0;
  BOOST_TEST(positive > 60);
  BOOST_TEST(positive < 140);
}

BOOST_AUTO_TEST_CASE(forget_bias) {
  BOOST_TEST(all_equal(make(init::forget_bias({.at = 1, .size = 2, .value = 3}), {5}),
                       tensor({0.0, 3.0, 3.0, 0.0, 0.0}, f64)));
  check_text([] { make(init::forget_bias({.at = 4, .size = 2}), {5}); },
             "[init::forget_bias] shape [5] with the gate at 4, size 2; needed a bias [n] that "
             "holds the gate");
  check_text(
      [] {
        make(init::xavier({.blocks = 2}), {2, 5});
      },
      "[init::xavier] shape [2, 5] in 2 blocks; needed [input, output] whose output they divide");
  check_text(
      [] { make(init::orthogonal(), {5}); },
      "[init::orthogonal] shape [5] in 1 blocks; needed [input, output] whose output they divide");
}

BOOST_AUTO_TEST_CASE(cells) {
  nn::LSTM lstm({.input = 3, .hidden = 4, .layers = 2, .biases = 2, .cell = {.forget_bias = 2}});
  for (Index layer = 0; layer < 2; ++layer) {
    const auto& cell = lstm.cell(layer);
    BOOST_TEST(all_equal(*cell.b, concat({zeros({4}), full({4}, 2), zeros({8})}, 0)));
    BOOST_TEST(all_equal(*cell.b_recurrent, zeros({16})));
    for (const Tensor& gate : split<4>(cell.Wh.to(f64), 1))
      BOOST_TEST(all_close(matmul(gate, transpose(gate, 0, 1)), eye(4, f64),
                           {.relative = 0, .absolute = 1e-6}));
  }
  nn::GRU gru({.input = 3, .hidden = 4, .biases = 2});
  BOOST_TEST(all_equal(*gru.cell(0).b, zeros({12})));
  for (const Tensor& gate : split<3>(gru.cell(0).Wh.to(f64), 1))
    BOOST_TEST(all_close(matmul(gate, transpose(gate, 0, 1)), eye(4, f64),
                         {.relative = 0, .absolute = 1e-6}));
}

BOOST_AUTO_TEST_CASE(same_seed_same_model) {
  const auto make_model = [](std::uint64_t s) {
    seed(s);
    return std::make_unique<nn::LSTM>(nn::LSTM::Options{.input = 3, .hidden = 4});
  };
  const auto a = make_model(1), b = make_model(1), c = make_model(2);
  BOOST_TEST(all_equal(a->cell(0).Wx, b->cell(0).Wx));
  BOOST_TEST(all_equal(a->cell(0).Wh, b->cell(0).Wh));
  BOOST_TEST(!all_equal(a->cell(0).Wx, c->cell(0).Wx).ok());
}

// Gates f, g, o: the first.
BOOST_AUTO_TEST_CASE(forget_bias_of_coupled_gates) {
  const nn::CoupledLSTMCell cell({.input = 2, .hidden = 2, .forget_bias = 3});
  BOOST_TEST(values(*cell.b) == (std::vector<double>{3, 3, 0, 0, 0, 0}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
