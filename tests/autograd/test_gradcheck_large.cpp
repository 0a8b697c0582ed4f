// Jacobians that are sampled: what is missed, and how what is found gets its place.
#include <unroll/unroll.h>

#include <cmath>

#include <boost/test/unit_test.hpp>

#include "support/ruled.h"

namespace unroll::test {
namespace {

constexpr Index side = 100;

// Which entry of a gradient with 10,000 is off by how much; of rules that capture nothing.
struct Mistake {
  Index at = 0;
  double factor = 1;
};
Mistake mistake;

Tensor spoilt(const Tensor& g) {
  std::vector<double> factors(static_cast<std::size_t>(g.size()), 1.0);
  factors[static_cast<std::size_t>(mistake.at)] = mistake.factor;
  return g * from(std::span<const double>(factors), g.shape()).to(g.dtype());
}

constexpr Ruled elementwise{[](const Tensor& x) { return tanh(x); },
                            [](const Backward&, const Tensor& x, const Tensor& dy) {
                              return spoilt(dy * (1.0 - square(tanh(x))));
                            }};

}  // namespace

BOOST_AUTO_TEST_SUITE(gradcheck_large)

// The documented bound: an entry of typical size that is off by 1e-4 of itself is noticed, always.
BOOST_AUTO_TEST_CASE(one_entry_of_ten_thousand_is_noticed) {
  Rng rng(11);
  int noticed = 0;
  for (std::uint64_t seed_of = 0; seed_of < 40; ++seed_of) {
    mistake = {.at = rng.below(side * side), .factor = seed_of % 2 == 0 ? 1.05 : 1 - 1e-3};
    const auto report = gradcheck([](const Tensor& x) { return sum(elementwise(x)); },
                                  {uniform({side, side}, -1, 1, rng)},
                                  {.single_precision = false, .seed = seed_of});
    noticed += report.ok() ? 0 : 1;
    if (report.ok()) continue;
    const GradcheckFinding& f = report.findings().front();
    BOOST_TEST_REQUIRE(f.index.size() == 2U);
    BOOST_TEST(f.index[0] * side + f.index[1] == mistake.at);
    BOOST_TEST(f.analytic / f.numeric == mistake.factor, boost::test_tools::tolerance(1e-6));
  }
  BOOST_TEST(noticed == 40);
}

// Of 10⁸ entries, with outputs to be narrowed too.
BOOST_AUTO_TEST_CASE(one_entry_of_a_large_jacobian) {
  mistake = {.at = 7707, .factor = 1.02};
  const auto report =
      gradcheck(elementwise, {uniform({side, side}, -1, 1)}, {.single_precision = false});
  BOOST_TEST_REQUIRE(report.findings().size() == 1U, report);
  const GradcheckFinding& f = report.findings().front();
  BOOST_TEST((f.index == std::vector<Index>{77, 7}));
  BOOST_TEST((f.output == std::vector<Index>{77, 7}));
  BOOST_TEST((f.cause == GradcheckCause::wrong_derivative));
}

BOOST_AUTO_TEST_CASE(right_ones_pass) {
  mistake = {};
  for (std::uint64_t seed_of = 0; seed_of < 10; ++seed_of) {
    const auto report = gradcheck(elementwise, {normal({side, side}, 0, 2)}, {.seed = seed_of});
    BOOST_TEST(report.ok(), report);
    BOOST_TEST(report.worst() < 1e-8);
  }
}

// Two wrong entries that cancel along a direction do so along none of the others: the chance to pass
// one direction is at most τ / |Δ|, far below what is seen here with a τ that is made large.
BOOST_AUTO_TEST_CASE(the_chance_to_pass_is_bounded) {
  static double off;
  off = 1e-2;
  const Ruled opposite{
      [](const Tensor& x) { return sum(x * x); },
      [](const Backward&, const Tensor& x, const Tensor& dy) {
        const Tensor sign = from(std::vector<double>{1, -1, 0, 0}, {4}).to(x.dtype());
        return dy * (2.0 * x + off * sign);
      }};
  const Tensor x = tensor({0.5, 0.5, 0.5, 0.5}, f64);
  // τ = relative · ‖J ∘ d‖ ≈ relative · 1.04, with d in units of 0.5.
  constexpr double relative = 1e-3;
  const double bound = 1.2 * relative * 2 / off;
  constexpr int tries = 2000;
  const auto passed = [&](Index directions) {
    int count = 0;
    for (std::uint64_t seed_of = 0; seed_of < tries; ++seed_of)
      count += gradcheck(opposite, {x},
                         {.relative = relative,
                          .entries = 0,
                          .directions = directions,
                          .rows = 0,
                          .single_precision = false,
                          .seed = seed_of})
                       .ok()
                   ? 1
                   : 0;
    return count;
  };
  const int once = passed(1);
  BOOST_TEST(once > 0);
  BOOST_TEST(once < tries * bound);
  BOOST_TEST(passed(3) <= tries * bound * bound * bound * 2 + 3);
}

BOOST_AUTO_TEST_CASE(all_means_all) {
  mistake = {.at = 17, .factor = 1.001};
  const auto f = [](const Tensor& x) { return elementwise(x); };
  const Tensor x = uniform({70}, -1, 1);
  const auto report = gradcheck(f, {x}, {.all = true, .entries = 1});
  BOOST_TEST_REQUIRE(report.findings().size() == 1U);
  BOOST_TEST(report.findings()[0].of == 4900);
  BOOST_TEST((report.findings()[0].index == std::vector<Index>{17}));
}

// Columns alone, without directions, find what they hit.
BOOST_AUTO_TEST_CASE(rows_and_columns) {
  mistake = {.at = 3, .factor = 1.001};
  const auto report =
      gradcheck([](const Tensor& x) { return sum(elementwise(x)); }, {uniform({8}, -1, 1)},
                {.entries = 0, .directions = 0, .rows = 60, .single_precision = false});
  BOOST_TEST_REQUIRE(report.findings().size() == 1U, report);
  BOOST_TEST((report.findings()[0].index == std::vector<Index>{3}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
