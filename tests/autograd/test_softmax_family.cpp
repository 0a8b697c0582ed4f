// Softmax where there is nothing to choose from, where nothing counts, and far out.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
const double nan = std::numeric_limits<double>::quiet_NaN();

// Errors in units of the last place of max(|y|, 1), and of |y| itself.
struct Ulps {
  double of_one_or_more = 0;
  double of_itself = 0;
};

// The worst of log_softmax of a row, against long double.
void judge_row(const Tensor& x, Ulps& worst) {
  const auto exact = values(x);
  const auto y = values(log_softmax(x));
  const double unit = x.dtype() == f32 ? 0x1p-23 : 0x1p-52;
  std::size_t at = 0;
  for (std::size_t k = 0; k < exact.size(); ++k)
    if (exact[k] > exact[at]) at = k;
  long double others = 0;
  for (std::size_t k = 0; k < exact.size(); ++k)
    if (k != at) others += std::exp(static_cast<long double>(exact[k]) - exact[at]);
  const long double log_sum = std::log1p(others);
  for (std::size_t k = 0; k < exact.size(); ++k) {
    const long double expected = (static_cast<long double>(exact[k]) - exact[at]) - log_sum;
    const auto error = static_cast<double>(std::abs(y[k] - expected));
    const auto size = static_cast<double>(std::abs(expected));
    const auto ulp = [&](double of) { return unit * std::exp2(std::floor(std::log2(of))); };
    worst.of_one_or_more = std::max(worst.of_one_or_more, error / ulp(std::max(1.0, size)));
    if (size > 1e-30) worst.of_itself = std::max(worst.of_itself, error / ulp(size));
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(softmax_family)

BOOST_AUTO_TEST_CASE(all_minus_infinity) {
  for (const bool differentiable : {false, true}) {
    Tape tape;
    const Tensor x = tape.watch(tensor({{-inf, -inf}, {0.0, -inf}, {0.0, 0.0}}, f64));
    const Tensor w = tensor({{1.0, 3.0}}, f64);
    const Tensor y = softmax(x);
    BOOST_TEST(all_equal(detach(y), tensor({{0.0, 0.0}, {1.0, 0.0}, {0.5, 0.5}}, f64)));
    BOOST_TEST(
        all_equal(detach(tape.gradient(sum(y * w), x, {.differentiable = differentiable})) + 0.0,
                  tensor({{0.0, 0.0}, {0.0, 0.0}, {-0.5, 0.5}}, f64)));
    const Tensor z = log_softmax(x);
    const auto v = values(z);
    BOOST_TEST((v[0] == -inf && v[1] == -inf && v[2] == 0.0 && v[3] == -inf));
    const auto g = values(
        tape.gradient(z, x, {.upstream = expand(w, {3, 2}), .differentiable = differentiable}));
    BOOST_TEST((g[0] == 0.0 && g[1] == 0.0));
    BOOST_TEST((g[2] == -3.0 && g[3] == 3.0));  // d y / d x = 1 - softmax, also at -inf
    BOOST_TEST((g[4] == -1.0 && g[5] == 1.0));
  }
}

BOOST_AUTO_TEST_CASE(masked_positions_never_show) {
  const std::vector<double> held{nan, inf, -inf, 1e300};
  for (const DType dtype : {f32, f64})
    for (const bool differentiable : {false, true})
      for (const Index n : {1, 3, 8, 21, 40})
        for (std::size_t h = 0; h < held.size(); ++h) {
          Rng rng(5);
          std::vector<double> numbers, upstream;
          std::vector<Index> counts;
          for (Index k = 0; k < n; ++k) {
            const bool counted = k % 3 == 0;
            counts.push_back(counted ? 1 : 0);
            numbers.push_back(counted ? rng.uniform() : held[h]);
            upstream.push_back(counted ? rng.uniform() : held[h]);
          }
          const auto made = [&](const std::vector<double>& v) {
            return reshape(from(std::span<const double>(v), {n}).to(dtype), {1, n});
          };
          const Tensor mask = from(std::span<const Index>(counts), {n});
          Tape tape;
          const Tensor x = tape.watch(made(numbers));
          const Tensor y = softmax(x, -1, {.mask = mask});
          const Tensor g =
              tape.gradient(y, x, {.upstream = made(upstream), .differentiable = differentiable});
          // The same row without what does not count.
          const auto kept = [&](const Tensor& t) {
            return contiguous(slice(t, {.axis = -1, .step = 3}));
          };
          const Tensor short_x = tape.watch(kept(detach(x)));
          const Tensor short_y = softmax(short_x);
          const double close = dtype == f32 ? 1e-6 : 1e-14;
          BOOST_TEST(all_close(kept(detach(y)), detach(short_y), {.relative = close}));
          BOOST_TEST(all_close(kept(detach(g)),
                               tape.gradient(short_y, short_x, {.upstream = kept(made(upstream))}),
                               {.relative = close, .absolute = close}));
          for (Index k = 0; k < n; ++k)
            if (counts[static_cast<std::size_t>(k)] == 0) {
              BOOST_TEST(values(y)[static_cast<std::size_t>(k)] == 0.0);
              BOOST_TEST(values(g)[static_cast<std::size_t>(k)] == 0.0);
            }
        }
}

BOOST_AUTO_TEST_CASE(nothing_counts_in_a_row) {
  for (const bool differentiable : {false, true}) {
    Tape tape;
    const Tensor x = tape.watch(tensor({{nan, inf}, {1.0, 1.0}, {-inf, 5.0}}, f64));
    const Tensor mask = tensor({{0, 0}, {1, 1}, {1, 0}});
    const Tensor y = softmax(x, -1, {.mask = mask});
    BOOST_TEST(all_equal(detach(y), tensor({{0.0, 0.0}, {0.5, 0.5}, {0.0, 0.0}}, f64)));
    const Tensor g =
        tape.gradient(sum(y * tensor({{1.0, 3.0}}, f64)), x, {.differentiable = differentiable});
    BOOST_TEST(all_equal(detach(g) + 0.0, tensor({{0.0, 0.0}, {-0.5, 0.5}, {0.0, 0.0}}, f64)));
  }
}

BOOST_AUTO_TEST_CASE(masks_of_every_dtype_broadcast) {
  Rng rng(2);
  const Tensor x = uniform({2, 3, 4}, -1, 1, rng);
  const Tensor expected = softmax(x, -1, {.mask = expand(tensor({{{1, 0, 1, 1}}}), {2, 3, 4})});
  for (const Tensor& mask : {tensor({1, 0, 1, 1}), tensor({1.0, 0.0, 1.0, 1.0}),
                             tensor({1.0, 0.0, 0.5, 1.0}, f64), tensor({{1, 0, 7, -1}})})
    BOOST_TEST(all_equal(softmax(x, -1, {.mask = mask}), expected));
  const Tensor turned =
      softmax(transpose(x, 0, 2), 0, {.mask = tensor({{{1}}, {{0}}, {{1}}, {{1}}})});
  BOOST_TEST(all_equal(contiguous(transpose(turned, 0, 2)), expected));
  check_text([&] { return softmax(x, -1, {.mask = ones({5})}); },
             "[softmax] mask f32 [5] for x f32 [2, 3, 4]; needed a mask that broadcasts to the "
             "shape of x");
  check_text(
      [&] {
        return softmax(zeros({4}), -1, {.mask = ones({2, 4})});
      },
      "[softmax] mask f32 [2, 4] for x f32 [4]; needed a mask that broadcasts to the shape "
      "of x");
  BOOST_TEST(softmax(zeros({0, 4}), -1, {.mask = ones({4})}).shape() == (Shape{0, 4}));
  BOOST_TEST(softmax(zeros({3, 0})).shape() == (Shape{3, 0}));
}

BOOST_AUTO_TEST_CASE(finite_logits_give_finite_results) {
  for (const DType dtype : {f32, f64})
    for (const double far : {1.0, 1e3, 1e10, 1e30}) {
      std::vector<double> numbers;
      for (int k = 0; k < 37; ++k) numbers.push_back(far * (k % 5 - 2) / 2);
      const Tensor x = from(std::span<const double>(numbers), {37}).to(dtype);
      double total = 0;
      for (const double v : values(softmax(x))) {
        BOOST_TEST(std::isfinite(v));
        total += v;
      }
      BOOST_TEST(std::abs(total - 1) < 1e-6);
      for (const double v : values(log_softmax(x))) BOOST_TEST(std::isfinite(v));
      BOOST_TEST(std::isfinite(logsumexp(x).item()));
      Tape tape;
      const Tensor leaf = tape.watch(x);
      for (const double v :
           values(tape.gradient(sum(square(softmax(leaf))) + sum(log_softmax(leaf)), leaf)))
        BOOST_TEST(std::isfinite(v));
    }
}

BOOST_AUTO_TEST_CASE(a_nan_reaches_its_row_from_every_place) {
  for (const DType dtype : {f32, f64})
    for (const Index n : {1, 5, 16, 17, 35})
      for (Index at = 0; at < n; ++at) {
        const Tensor x = with_element(zeros({3, n}), n + at, nan).to(dtype);
        for (const Tensor& y :
             {softmax(x), log_softmax(x), softmax(x, -1, {.mask = ones({n})}),
              contiguous(transpose(softmax(contiguous(transpose(x, 0, 1)), 0), 0, 1))}) {
          const auto v = values(y);
          for (Index k = 0; k < 3 * n; ++k)
            BOOST_REQUIRE(std::isnan(v[static_cast<std::size_t>(k)]) == (k / n == 1));
        }
      }
}

// Against long double. An ulp of |y| itself is out of reach near 0, where y = -Σ e^(x - largest):
// the difference x - largest is rounded, and e to it multiplies that by as much as it is large.
BOOST_AUTO_TEST_CASE(accuracy_of_log_softmax) {
  for (const DType dtype : {f32, f64}) {
    Ulps all, moderate;
    for (const Index n : {2, 3, 10, 65, 1'000, 20'000})
      for (const double spread : {0.0, 1e-3, 1.0, 4.0, 30.0, 300.0, 1e6})
        for (std::uint64_t stream = 0; stream < (n > 100 ? 4U : 40U); ++stream) {
          Rng rng(stream);
          const Tensor x = uniform({n}, -spread - 1, spread + 1, rng, f64).to(dtype);
          judge_row(x, all);
          if (spread <= 1) judge_row(x, moderate);
        }
    BOOST_TEST_MESSAGE(name_of(dtype) << ": " << all.of_one_or_more << " ulp of max(|y|, 1), "
                                      << moderate.of_itself << " ulp of |y| for moderate logits");
    BOOST_TEST(all.of_one_or_more < 4);
    BOOST_TEST(moderate.of_itself < 4);
  }
  // A sure prediction keeps its digits: -log(1 + e^-30).
  BOOST_TEST(values(log_softmax(tensor({0.0, -30.0}, f64)))[0] == -std::log1p(std::exp(-30.0)),
             boost::test_tools::tolerance(1e-15));
  BOOST_TEST(values(log_softmax(tensor({0.0, -30.0})))[0] == -std::log1p(std::exp(-30.0)),
             boost::test_tools::tolerance(2e-7));
}

BOOST_AUTO_TEST_CASE(same_bits_on_any_number_of_threads) {
  const auto compute = [] {
    Rng rng(6);
    Tape tape;
    const Tensor x = tape.watch(uniform({501, 603}, -3, 3, rng));
    const Tensor mask = bernoulli({501, 603}, 0.7, rng);
    const Tensor y = softmax(x) + softmax(x, -1, {.mask = mask}) + log_softmax(x);
    return std::array{detach(y), tape.gradient(sum(square(y)), x)};
  };
  set_threads(1);
  const auto alone = compute();
  for (const Index count : {2, 4}) {
    set_threads(count);
    const auto together = compute();
    for (std::size_t i = 0; i < 2; ++i) BOOST_TEST(all_equal(together[i], alone[i]));
  }
  set_threads(0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
