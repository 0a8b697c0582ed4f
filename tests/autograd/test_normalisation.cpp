// layer_norm, rms_norm and batch_norm: large means, rows of equals, NaN, errors.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

const double nan = std::numeric_limits<double>::quiet_NaN();

// (x - mean) / √(var + epsilon) of a row in long double, which has too few digits too for a mean of
// 1e8: all is counted from the first element.
std::vector<double> normal_row(const std::vector<double>& x, double epsilon) {
  const auto n = static_cast<long double>(x.size());
  long double total = 0, squares = 0;
  std::vector<long double> away;
  for (const double v : x) total += away.emplace_back(static_cast<long double>(v) - x[0]);
  for (const long double v : away) squares += (v - total / n) * (v - total / n);
  const long double scale = 1 / std::sqrt(squares / n + epsilon);
  std::vector<double> y;
  for (const long double v : away) y.push_back(static_cast<double>((v - total / n) * scale));
  return y;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(normalisation)

BOOST_AUTO_TEST_CASE(a_small_spread_around_a_large_mean) {
  const auto judge = [](double mean_of, double unit, DType dtype, double relative) {
    Rng rng(8);
    const Tensor x = (uniform({77}, -4, 4, rng, f64) * unit + mean_of).to(dtype);
    const auto expected = normal_row(values(x), 1e-5);
    const auto rows = values(layer_norm(reshape(x, {1, 77})));
    const auto columns = values(batch_norm(reshape(x, {77, 1})).outputs);
    BOOST_TEST_CONTEXT(mean_of << " " << name_of(dtype))
    for (std::size_t k = 0; k < 77; ++k) {
      BOOST_TEST(std::abs(rows[k] - expected[k]) <=
                 relative * std::max(0.1, std::abs(expected[k])));
      BOOST_TEST(std::abs(columns[k] - expected[k]) <=
                 relative * std::max(0.1, std::abs(expected[k])));
    }
  };
  judge(1e8, 100, f32, 1e-6);
  judge(1e8, 1, f64, 1e-14);
  judge(-1e8, 1, f64, 1e-14);
  judge(100, 1, f32, 1e-6);
  judge(0, 1, f32, 1e-6);
}

BOOST_AUTO_TEST_CASE(rows_of_equal_elements) {
  for (const bool differentiable : {false, true}) {
    Tape tape;
    const Tensor x = tape.watch(full({2, 5}, 0.1));
    const Tensor y = layer_norm(x, ones({5}) * 3.0, full({5}, 0.25));
    BOOST_TEST(all_equal(detach(y), full({2, 5}, 0.25)));
    const Tensor g = tape.gradient(sum(y * reshape(arange(5).to(f32), {1, 5})), x,
                                   {.differentiable = differentiable});
    for (const double v : values(g)) BOOST_TEST(std::isfinite(v));
  }
  BOOST_TEST(all_equal(rms_norm(zeros({2, 5})), zeros({2, 5})));
}

// Vector body and tail, with and without parameters; in both dtypes.
BOOST_AUTO_TEST_CASE(a_nan_reaches_its_row_and_no_other) {
  for (const DType dtype : {f32, f64})
    for (const Index n : {1, 5, 16, 17, 35})
      for (Index at = 0; at < n; ++at) {
        const Tensor x =
            with_element(reshape(arange(3 * n), {3, n}).to(f64) * 0.1, n + at, nan).to(dtype);
        const Tensor turned = contiguous(transpose(x, 0, 1));
        const auto check = [&](const Tensor& y) {
          const auto v = values(y);
          for (Index k = 0; k < 3 * n; ++k)
            BOOST_REQUIRE(std::isnan(v[static_cast<std::size_t>(k)]) == (k / n == 1));
        };
        check(layer_norm(x, ones({n}, dtype), zeros({n}, dtype)));
        check(layer_norm(x));
        check(rms_norm(x));
        check(contiguous(transpose(batch_norm(turned).outputs, 0, 1)));
        check(batch_norm(x, {}, {}, {.axis = 0}).outputs);
      }
}

// In place and recorded, at sizes that are cut into several tasks.
BOOST_AUTO_TEST_CASE(both_derivatives_agree_on_large_inputs) {
  Rng rng(3);
  const Tensor x0 = uniform({2, 1'000, 67}, -2, 2, rng, f64);
  const Tensor w0 = uniform({67}, 0.5, 1.5, rng, f64);
  const Tensor b0 = uniform({67}, -1, 1, rng, f64);
  const Tensor dy = uniform({2, 1'000, 67}, -1, 1, rng, f64);
  for (int which = 0; which < 3; ++which) {
    std::array<std::array<Tensor, 3>, 2> found;
    for (const bool differentiable : {false, true}) {
      Tape tape;
      const Tensor x = tape.watch(x0);
      const Tensor w = tape.watch(w0);
      const Tensor b = tape.watch(b0);
      const Tensor y = which == 0   ? layer_norm(x, w, b)
                       : which == 1 ? rms_norm(x, w) + b
                                    : batch_norm(x, w, b).outputs;
      auto g = tape.gradient(y, {x, w, b}, {.upstream = dy, .differentiable = differentiable});
      for (std::size_t i = 0; i < 3; ++i) found[differentiable ? 1 : 0][i] = detach(g[i]);
    }
    for (std::size_t i = 0; i < 3; ++i)
      BOOST_TEST_CONTEXT("operation " << which << ", gradient " << i)
    BOOST_TEST(disagreement(found[0][i], found[1][i], {.relative = 1e-12}) == "");
  }
}

// One tensor as x, weight and bias: what is written in place and what is added do not collide.
BOOST_AUTO_TEST_CASE(one_tensor_in_every_place) {
  for (int which = 0; which < 2; ++which) {
    std::array<Tensor, 2> found;
    for (const bool differentiable : {false, true}) {
      Tape tape;
      const Tensor x = tape.watch(tensor({0.3, -0.2, 0.9, 1.4}, f64));
      const Tensor y =
          which == 0 ? layer_norm(x, x, x) : batch_norm(stack({x, x * 0.5, -x}, 0), x, x).outputs;
      const Tensor w = reshape(tensor({1.0, -2.0, 0.5, 3.0}, f64), {4});
      found[differentiable ? 1 : 0] =
          detach(tape.gradient(sum(y * w), x, {.differentiable = differentiable}));
    }
    BOOST_TEST(disagreement(found[0], found[1], {.relative = 1e-13}) == "");
  }
}

BOOST_AUTO_TEST_CASE(statistics_of_a_batch) {
  const Tensor x = tensor({{1.0, 10.0}, {3.0, 10.0}, {5.0, 10.0}, {7.0, 10.0}}, f64);
  Tape tape;
  auto out = batch_norm(tape.watch(x));
  BOOST_TEST(all_equal(out.mean, tensor({4.0, 10.0}, f64)));
  BOOST_TEST(all_equal(out.variance, tensor({5.0, 0.0}, f64)));
  BOOST_TEST(out.count == 4);
  // Statistics have no history.
  BOOST_CHECK_THROW(static_cast<void>(tape.gradient(sum(out.mean), out.outputs)), Error);
  // With a batch's own statistics inference gives what training gave.
  BOOST_TEST(all_close(detach(out.outputs), batch_norm_inference(x, out.mean, out.variance),
                       {.relative = 1e-14}));
}

BOOST_AUTO_TEST_CASE(shapes_and_what_is_refused) {
  BOOST_TEST(layer_norm(zeros({0, 4}), ones({4})).shape() == (Shape{0, 4}));
  BOOST_TEST(layer_norm(zeros({3, 0})).shape() == (Shape{3, 0}));
  BOOST_TEST(rms_norm(expand(ones({1, 4}), {3, 4})).shape() == (Shape{3, 4}));
  const Tensor x = zeros({2, 3});
  Tape tape;
  const Tensor w = tape.watch(ones({4}));
  const Tensor none = layer_norm(zeros({0, 4}), w);
  BOOST_TEST(all_equal(tape.gradient(sum(none), w), zeros({4})));
  check_text([&] { return layer_norm(x, ones({4})); },
             "[layer_norm] weight f32 [4] for x f32 [2, 3]; needed f32 [3]");
  check_text([&] { return layer_norm(x, ones({3}), zeros({3}, f64)); },
             "[layer_norm] bias f64 [3] for x f32 [2, 3]; needed f32 [3]");
  check_text([&] { return rms_norm(x, {}, {.epsilon = 0}); },
             "[rms_norm] epsilon 0; needed epsilon > 0; hint: {.epsilon = 1e-5}");
  check_text([&] { return layer_norm(full({}, 1)); },
             "[layer_norm] x f32 []; needed at least one axis");
  check_text(
      [&] {
        return batch_norm(zeros({0, 3})).outputs;
      },
      "[batch_norm] x f32 [0, 3]; needed at least one element; hint: batch_norm_inference "
      "takes statistics from elsewhere");
  check_text([&] { return batch_norm_inference(x, ones({3}), ones({2})); },
             "[batch_norm_inference] variance f32 [2] for x f32 [2, 3]; needed f32 [3]");
  BOOST_CHECK_THROW(static_cast<void>(layer_norm(tensor({1, 2}))), Error);
  BOOST_CHECK_THROW(static_cast<void>(batch_norm(x, {}, {}, {.axis = 2})), Error);
  BOOST_CHECK_THROW(static_cast<void>(batch_norm_inference(x, {}, ones({3}))), Error);
}

BOOST_AUTO_TEST_CASE(same_bits_on_any_number_of_threads) {
  const auto compute = [] {
    std::vector<Tensor> all;
    for (const Shape& shape : {Shape{2'001, 103}, Shape{40, 5'003}}) {
      Rng rng(6);
      Tape tape;
      const Tensor x = tape.watch(uniform(shape, -3, 3, rng));
      const Tensor w = tape.watch(uniform({shape[-1]}, 0.5, 2, rng));
      const Tensor y = layer_norm(x, w, w) + rms_norm(x, w) + batch_norm(x, w, w).outputs;
      all.push_back(detach(y));
      auto [gx, gw] = tape.gradient(sum(square(y)), {x, w});
      all.insert(all.end(), {gx, gw});
    }
    return all;
  };
  set_threads(1);
  const auto alone = compute();
  for (const Index count : {2, 4}) {
    set_threads(count);
    const auto together = compute();
    for (std::size_t i = 0; i < alone.size(); ++i) BOOST_TEST(all_equal(together[i], alone[i]));
  }
  set_threads(0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
