// Random numbers: known answers, streams, distributions, masks.
#include <algorithm>
#include <cmath>
#include <set>

#include <boost/test/unit_test.hpp>

#include "support/leaves.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

using Four = std::array<std::uint32_t, 4>;

void check_answer(const Four& found, const Four& expected) {
  for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(found[i] == expected[i]);
}

struct Moments {
  double mean = 0, variance = 0;
};
Moments moments(const Tensor& x) {
  const auto all = values(x);
  Moments m;
  for (const double v : all) m.mean += v / static_cast<double>(all.size());
  for (const double v : all)
    m.variance += (v - m.mean) * (v - m.mean) / static_cast<double>(all.size());
  return m;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(rng)

// Of the distribution of Random123, philox4x32 with 10 rounds: counter, key, answer.
BOOST_AUTO_TEST_CASE(known_answers) {
  check_answer(detail::philox(0, 0, 0), {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr std::uint64_t all = ~std::uint64_t{0};
  check_answer(detail::philox(all, all, all), {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  check_answer(detail::philox(0x299f31d0'a4093822, 0x85a308d3'243f6a88, 0x03707344'13198a2e),
               {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

BOOST_AUTO_TEST_CASE(a_stream_is_a_value) {
  Rng a(7);
  static_cast<void>(a.next());
  Rng b = a;
  BOOST_TEST(a.next() == b.next());
  BOOST_TEST((a == b));
  static_cast<void>(uniform({10}, 0, 1, a));
  BOOST_TEST(!(a == b));
  BOOST_TEST(all_equal(uniform({10}, 0, 1, a), [&] {
    static_cast<void>(uniform({10}, 0, 1, b));
    return uniform({10}, 0, 1, b);
  }()));
  BOOST_TEST(sizeof(Rng) == 16U);
}

BOOST_AUTO_TEST_CASE(seeds_and_splits_are_apart) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t s = 0; s < 1000; ++s) {
    Rng rng(s);
    seen.insert(rng.next());
    seen.insert(rng.next());
    seen.insert(rng.split("dropout").next());
    seen.insert(rng.split("sample").next());
  }
  BOOST_TEST(seen.size() == 4000U);
  const Rng parent(3);
  Rng before = parent, after = parent;
  static_cast<void>(after.split("x"));
  BOOST_TEST((before == after));
  BOOST_TEST(parent.split("x").next() == parent.split("x").next());
}

BOOST_AUTO_TEST_CASE(the_threads_stream_and_seed) {
  seed(11);
  const Tensor a = uniform({5}, 0, 1);
  const Tensor b = uniform({5}, 0, 1);
  seed(11);
  BOOST_TEST(all_equal(uniform({5}, 0, 1), a));
  BOOST_TEST(all_equal(uniform({5}, 0, 1), b));
  BOOST_TEST(!all_equal(a, b));
}

BOOST_AUTO_TEST_CASE(below_is_in_range_and_even) {
  Rng rng(5);
  std::array<int, 7> count{};
  for (int k = 0; k < 70'000; ++k) ++count[static_cast<std::size_t>(rng.below(7))];
  for (const int c : count) BOOST_TEST(std::abs(c - 10'000) < 500);
  BOOST_TEST(rng.below(1) == 0);
  BOOST_CHECK_THROW(static_cast<void>(rng.below(0)), Error);
}

BOOST_AUTO_TEST_CASE(distributions) {
  Rng rng(17);
  constexpr Index n = 400'000;
  for (const DType dtype : {f32, f64}) {
    const Tensor u = uniform({n}, -1, 3, rng, dtype);
    for (const double v : values(u)) BOOST_REQUIRE((v >= -1 && v < 3));
    BOOST_TEST(std::abs(moments(u).mean - 1) < 0.01);
    BOOST_TEST(std::abs(moments(u).variance - 16.0 / 12) < 0.01);
    const Tensor g = normal({n}, 2, 3, rng, dtype);
    BOOST_TEST(std::abs(moments(g).mean - 2) < 0.03);
    BOOST_TEST(std::abs(moments(g).variance - 9) < 0.1);
    auto sorted = values(g);
    std::sort(sorted.begin(), sorted.end());
    BOOST_TEST(std::abs(sorted[n / 2] - 2) < 0.03);
    BOOST_TEST(std::abs(sorted[static_cast<std::size_t>(0.8413 * n)] - 5) < 0.05);
    BOOST_TEST(std::abs(moments(bernoulli({n}, 0.3, rng, dtype)).mean - 0.3) < 0.005);
  }
  // The excluded end is not reached by rounding.
  for (const double v : values(uniform({n}, 0.99999994, 1, rng))) BOOST_REQUIRE(v < 1);
}

BOOST_AUTO_TEST_CASE(arguments_are_checked) {
  BOOST_CHECK_THROW(static_cast<void>(uniform({2}, 1, 0)), Error);
  BOOST_CHECK_THROW(static_cast<void>(uniform({2}, 0, std::nan(""))), Error);
  BOOST_CHECK_THROW(static_cast<void>(normal({2}, 0, -1)), Error);
  BOOST_CHECK_THROW(static_cast<void>(bernoulli({2}, 1.5)), Error);
  BOOST_CHECK_THROW(static_cast<void>(uniform({2}, 0, 1, i64)), Error);
}

BOOST_AUTO_TEST_CASE(dropout_acts_under_a_training_tape) {
  const Tensor x = ones({1000, 10});
  BOOST_TEST(dropout(x, 0.5).header() == x.header());
  {
    Tape tape({.training = false});
    BOOST_TEST(dropout(x, 0.5).header() == x.header());
  }
  {
    const Training on;
    BOOST_TEST(!all_equal(dropout(x, 0.5), x));
  }
  Tape tape;
  const Tensor y = dropout(x, 0.25);
  double kept = 0;
  for (const double v : values(y)) {
    BOOST_REQUIRE((v == 0 || v == static_cast<double>(static_cast<float>(1 / 0.75))));
    kept += v != 0;
  }
  BOOST_TEST(std::abs(kept / 10'000 - 0.75) < 0.02);
  BOOST_TEST(!all_equal(dropout(x, 0.25), y));
  BOOST_TEST(dropout(x, 0).header() == x.header());
  for (const double rate : {-0.1, 1.0, 2.0})
    BOOST_CHECK_THROW(static_cast<void>(dropout(x, rate)), Error);
}

BOOST_AUTO_TEST_CASE(a_tape_takes_one_key_and_its_masks_follow_from_it) {
  const auto masks = [](const Rng* own) {
    Tape tape({.rng = own});
    const Tensor x = tape.watch(ones({64}));
    return std::pair{detach(dropout(x, 0.5)), detach(dropout(x, 0.5))};
  };
  seed(3);
  const auto first = masks(nullptr);
  const Rng after_one = default_rng();
  const auto second = masks(nullptr);
  seed(3);
  const auto again = masks(nullptr);
  BOOST_TEST((default_rng() == after_one));
  BOOST_TEST(all_equal(first.first, again.first));
  BOOST_TEST(all_equal(first.second, again.second));
  BOOST_TEST(!all_equal(first.first, first.second));
  BOOST_TEST(!all_equal(first.first, second.first));
  const Rng own(9);
  BOOST_TEST(all_equal(masks(&own).second, masks(&own).second));
}

// The second-order pass sees the mask of the first.
BOOST_AUTO_TEST_CASE(gradients_through_dropout_keep_the_mask) {
  Tape tape;
  const Tensor x = tape.watch(full({50}, 2, f64));
  const Tensor y = dropout(x, 0.5);
  const Tensor g = tape.gradient(sum(square(y)), x, {.differentiable = true});
  const auto mask = values(y), slope = values(g), second = values(tape.gradient(sum(g), x));
  for (std::size_t i = 0; i < mask.size(); ++i) {
    const double m = mask[i] / 2;
    BOOST_TEST(slope[i] == 4 * m * m);
    BOOST_TEST(second[i] == 2 * m * m);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
