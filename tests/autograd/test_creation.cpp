// Tensors made by name: ranges exactly, random ones by their moments. Seeds are fixed, and bounds
// are six deviations of what is measured.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>
#include <vector>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

constexpr Index many = 200'000;

double mean_of(const Tensor& x) {
  double total = 0;
  for (const double v : values(x)) total += v;
  return total / static_cast<double>(x.size());
}

// |share - p| against six deviations of a mean of n draws.
bool is_share(double share, double p, Index n) {
  return std::abs(share - p) <= 6 * std::sqrt(p * (1 - p) / static_cast<double>(n)) + 1e-15;
}

template <class F>
void check_keyed(const F& draw) {
  Rng a(5), b(5), c(6);
  const Tensor first = draw(a);
  BOOST_TEST(a.counter == 1U);
  BOOST_TEST(all_equal(draw(b), first));
  BOOST_TEST(!all_equal(draw(c), first));
  BOOST_TEST(!all_equal(draw(b), first));
  set_threads(1);
  Rng alone(5);
  BOOST_TEST(all_equal(draw(alone), first));
  set_threads(0);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(creation)

BOOST_AUTO_TEST_CASE(ranges) {
  BOOST_TEST(all_equal(arange(4), tensor({0, 1, 2, 3})));
  BOOST_TEST(all_equal(arange(3, f64), tensor({0.0, 1.0, 2.0}, f64)));
  BOOST_TEST(all_equal(arange(2, 9, 3), tensor({2, 5, 8})));
  BOOST_TEST(all_equal(arange(2, 8, 3), tensor({2, 5})));
  BOOST_TEST(all_equal(arange(5, 0, -2), tensor({5, 3, 1})));
  BOOST_TEST(all_equal(arange(-1, 2), tensor({-1, 0, 1})));
  BOOST_TEST(all_equal(arange(0, 3, 1, f32), tensor({0.0, 1.0, 2.0})));
  BOOST_TEST(all_equal(arange(1, 3, f64), tensor({1.0, 2.0}, f64)));
  BOOST_TEST(all_equal(arange(0.5, 3, f64), tensor({0.5, 1.5, 2.5}, f64)));
  BOOST_TEST(all_equal(arange(0.5, 2.0, 0.5), tensor({0.5, 1.0, 1.5})));
  BOOST_TEST(all_equal(arange(1, 0, -0.25, f64), tensor({1.0, 0.75, 0.5, 0.25}, f64)));
  BOOST_TEST(arange(0, 1, 0.1, f64).size() == 10);  // as NumPy: ⌈(to - from) / step⌉
  BOOST_TEST(arange(3, 3).size() == 0);
  BOOST_TEST(arange(1.0, 1.0).size() == 0);
  constexpr Index least = std::numeric_limits<Index>::min(),
                  most = std::numeric_limits<Index>::max();
  BOOST_TEST(all_equal(arange(least, most, most), tensor({least, Index{-1}, most - 1})));
  BOOST_TEST(arange(0).size() == 0);
}

BOOST_AUTO_TEST_CASE(even_spacing) {
  BOOST_TEST(all_equal(linspace(0, 1, 5, f64), tensor({0.0, 0.25, 0.5, 0.75, 1.0}, f64)));
  BOOST_TEST(all_equal(linspace(3, 3, 1), tensor({3.0})));
  BOOST_TEST(linspace(0, 1, 0).size() == 0);
  for (const Index n : {2, 3, 7, 100}) {
    const auto all = values(linspace(-0.1, 0.7, n, f64));
    BOOST_TEST(all.front() == -0.1);
    BOOST_TEST(all.back() == 0.7);
    for (std::size_t i = 0; i < all.size(); ++i)
      BOOST_TEST(std::abs(all[i] - (-0.1 + 0.8 * static_cast<double>(i) /
                                               static_cast<double>(n - 1))) < 1e-15);
  }
  BOOST_TEST(all_equal(eye(2, 3), tensor({{1.0, 0.0, 0.0}, {0.0, 1.0, 0.0}})));
  BOOST_TEST(all_equal(eye(2, i64), tensor({{1, 0}, {0, 1}})));
}

// Mean γ, variance π² / 6, and the largest of x + gumbel is distributed as softmax says.
BOOST_AUTO_TEST_CASE(gumbels) {
  Rng rng(1);
  constexpr double gamma = 0.57721566490153286;
  const double variance = std::numbers::pi * std::numbers::pi / 6;
  for (const DType dtype : {f32, f64}) {
    const Tensor g = gumbel({many}, rng, dtype);
    BOOST_TEST(std::abs(mean_of(g) - gamma) < 6 * std::sqrt(variance / many));
    BOOST_TEST(std::abs(mean_of(square(g - gamma)) - variance) <
               6 * std::sqrt(4.4 * variance * variance / many));
    for (const double v : values(g)) BOOST_REQUIRE(std::isfinite(v));
  }
  const Tensor x = tensor({0.0, 1.0, -1.0, 2.0});
  const auto p = values(softmax(x, -1).to(f64));
  std::array<double, 4> share{};
  for (const double k : values(argmax(x + gumbel({many, 4}, rng), -1).to(f64)))
    share[static_cast<std::size_t>(k)] += 1.0 / many;
  for (std::size_t k = 0; k < 4; ++k) BOOST_TEST(is_share(share[k], p[k], many));
}

BOOST_AUTO_TEST_CASE(categories) {
  Rng rng(2);
  const std::vector<double> p{0.5, 0.0, 0.125, 0.3, 0.075};
  const Tensor weights = from(std::span<const double>(p), {5});
  for (const bool logits : {false, true}) {
    const Tensor rows = expand(logits ? log(weights) + 3.0 : weights * 4.0, {many, 5});
    const Tensor drawn =
        logits ? categorical({.logits = rows}, rng) : categorical({.probabilities = rows}, rng);
    BOOST_TEST(drawn.shape() == Shape({many}));
    std::array<Index, 5> count{};
    for (const Index k : drawn.span<Index>()) ++count[static_cast<std::size_t>(k)];
    for (std::size_t k = 0; k < 5; ++k)
      BOOST_TEST(is_share(static_cast<double>(count[k]) / many, p[k], many));
    BOOST_TEST(count[1] == 0);
  }
  BOOST_TEST(categorical({.logits = zeros({3, 2, 4})}, rng).shape() == Shape({3, 2}));
  BOOST_TEST(categorical({.logits = zeros({4})}, rng).shape() == Shape({}));
  BOOST_TEST(
      all_equal(categorical({.logits = tensor({{0.0, -1e30}, {-1e30, 0.0}})}), tensor({0, 1})));
  // A row's class follows from its number, not from the rows beside it.
  Rng a(9), b(9);
  const Tensor all = zeros({50, 6});
  BOOST_TEST(all_equal(slice(categorical({.logits = all}, a), {.to = 20}),
                       categorical({.logits = slice(all, {.to = 20})}, b)));
}

BOOST_AUTO_TEST_CASE(orders) {
  Rng rng(3);
  for (const Index n : {0, 1, 2, 100}) {
    auto all = values(permutation(n, rng).to(f64));
    std::sort(all.begin(), all.end());
    for (std::size_t i = 0; i < all.size(); ++i) BOOST_TEST(all[i] == static_cast<double>(i));
    BOOST_TEST(std::ssize(all) == n);
  }
  std::map<std::vector<Index>, Index> count;
  constexpr Index draws = 24'000;
  for (Index k = 0; k < draws; ++k) {
    const Tensor p = permutation(4, rng);
    ++count[{p.span<Index>().begin(), p.span<Index>().end()}];
  }
  BOOST_TEST(count.size() == 24U);
  for (const auto& [order, times] : count)
    BOOST_TEST(is_share(static_cast<double>(times) / draws, 1.0 / 24, draws));
}

BOOST_AUTO_TEST_CASE(bits_follow_from_the_stream) {
  check_keyed([](Rng& r) { return uniform({300, 100}, 0, 1, r); });
  check_keyed([](Rng& r) { return normal({300, 100}, 0, 1, r); });
  check_keyed([](Rng& r) { return bernoulli({300, 100}, 0.4, r); });
  check_keyed([](Rng& r) { return gumbel({300, 100}, r); });
  check_keyed([](Rng& r) { return categorical({.logits = zeros({20'000, 3})}, r); });
  check_keyed([](Rng& r) { return permutation(50, r); });
  seed(4);
  const Tensor g = gumbel({7});
  const Tensor c = categorical({.logits = zeros({7, 9})});
  const Tensor p = permutation(9);
  seed(4);
  BOOST_TEST(all_equal(gumbel({7}), g));
  BOOST_TEST(all_equal(categorical({.logits = zeros({7, 9})}), c));
  BOOST_TEST(all_equal(permutation(9), p));
}

BOOST_AUTO_TEST_CASE(messages) {
  const double inf = HUGE_VAL;
  check_throws([] { return arange(-1); },
               "[arange] count -1; needed 0 or more; hint: arange(from, to, -1) counts down");
  check_throws([] { return arange(0, 5, 0); },
               "[arange] from 0 to 5 step 0; needed a step towards the end");
  check_throws([] { return arange(0, 5, -1); },
               "[arange] from 0 to 5 step -1; needed a step towards the end");
  check_throws([] { return arange(0.0, 5.0, -1.0); },
               "[arange] from 0.000000 to 5.000000 step -1.000000; needed a step towards the end");
  check_throws([] { return arange(0.0, 5.0, 1.0, i64); }, "[arange] dtype i64; needed f32 or f64");
  check_throws([] { return linspace(0, 1, -1); },
               "[linspace] -1 numbers from 0.000000 to 1.000000; needed 0 or more, between finite "
               "ends");
  check_throws([&] { return linspace(0, inf, 3); },
               "[linspace] 3 numbers from 0.000000 to inf; needed 0 or more, between finite ends");
  const std::string whole = "; needed whole numbers of 64 bits, from -2^63 to 2^63 - 1";
  check_throws([] { return full({2}, std::nan(""), i64); }, "[full] nan" + whole);
  check_throws([&] { return full({}, inf, i64); }, "[full] inf" + whole);
  check_throws([] { return full({0}, 0x1p63, i64); }, "[full] 9.2233720368547758e+18" + whole);
  check_throws([] { return gumbel({2}, i64); }, "[gumbel] dtype i64; needed f32 or f64");
  check_throws([] { return categorical({}); },
               "[categorical] nothing; needed one of .logits and .probabilities [..., classes]; "
               "hint: categorical({.logits = x})");
  check_throws([] { return categorical({.logits = ones({2}), .probabilities = ones({2})}); },
               "[categorical] logits and probabilities; needed one of .logits and .probabilities "
               "[..., classes]; hint: categorical({.logits = x})");
  check_throws(
      [] {
        return categorical({.logits = zeros({2, 0})});
      },
      "[categorical] logits f32 [2, 0]; needed [..., classes], one class or more");
  check_throws(
      [] {
        return categorical({.probabilities = tensor({{1.0, 0.0}, {0.5, -0.5}})});
      },
      "[categorical] probability -0.500000 at [1, 1]; needed a finite number, 0 or more");
  check_throws(
      [] {
        return categorical({.probabilities = tensor({{1.0, 0.0}, {0.0, 0.0}})});
      },
      "[categorical] probabilities of row 1, which are all 0; needed a class that can be drawn");
  check_throws(
      [&] {
        return categorical({.logits = tensor({0.0, inf})});
      },
      "[categorical] logit inf at [1]; needed a number below infinity");
  check_throws(
      [] {
        return categorical({.logits = tensor({0.0, std::nan("")})});
      },
      "[categorical] logit nan at [1]; needed a number below infinity");
  check_throws(
      [&] {
        return categorical({.logits = tensor({{0.0, 1.0}, {-inf, -inf}})});
      },
      "[categorical] logits of row 1, which are all -inf; needed a class that can be drawn");
  check_throws([] { return permutation(-1); }, "[permutation] count -1; needed 0 or more");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
