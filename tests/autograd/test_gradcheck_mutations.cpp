// The gradient check is checked: derivative rules that are known to be wrong, and rules that are
// known to be right.
#include <boost/test/unit_test.hpp>

#include "support/full_size.h"
#include "support/mutation_table.h"
#include "support/right_rules.h"
#include "support/wrong_rules.h"

namespace {
using namespace unroll;
using namespace unroll::test;

GradcheckReport check(const RuleCase& c, std::uint64_t seed_of_values) {
  Rng rng(seed_of_values);
  const std::vector<Tensor> point = c.point(rng);
  if (c.anew) c.anew();
  return gradcheck(
      c.call, point,
      {.order = c.second_order() ? 2 : 1, .training = c.training, .seed = seed_of_values});
}

std::string place_of(const RuleCase& c) {
  return c.input < 0 ? "" : "input " + std::to_string(c.input);
}

void prove(const RuleCases& cases, std::uint64_t seeds) {
  for (const RuleCase& c : cases)
    for (std::uint64_t s = 1; s <= seeds; ++s)
      BOOST_TEST_CONTEXT(c.title() << ", seed " << s) BOOST_TEST(disproof(c, s) == "");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gradcheck_mutations)

// By differences of another make, or by comparing two calls: no mistake counts that is none.
BOOST_AUTO_TEST_CASE(wrong_rules_are_wrong) {
  prove(all_wrong_rules(), full_or<std::uint64_t>(5, 1));
}
BOOST_AUTO_TEST_CASE(right_rules_are_right) {
  prove(all_right_rules(), full_or<std::uint64_t>(3, 1));
}

BOOST_AUTO_TEST_CASE(every_wrong_rule_is_caught) {
  MutationTable table;
  for (const RuleCase& c : all_wrong_rules()) table.add(c, place_of(c), check(c, 1));
  BOOST_TEST(table.mistakes() >= 140);
  table.check("## Operations, judged by gradcheck");
}

// The same mistakes at other points.
BOOST_AUTO_TEST_CASE(wrong_rules_are_caught_wherever_they_are) {
  const std::uint64_t seeds = full_or<std::uint64_t>(200, 20);
  for (const RuleCase& c : all_wrong_rules())
    for (std::uint64_t s = 2; s < 2 + seeds; ++s)
      BOOST_TEST(!check(c, s).ok(), c.title() << ", seed " << s << ", went unnoticed");
}

BOOST_AUTO_TEST_CASE(right_rules_raise_no_alarm) {
  const RuleCases cases = all_right_rules();
  BOOST_TEST(cases.size() >= all_wrong_rules().size());
  for (const RuleCase& c : cases)
    for (std::uint64_t s = 1; s <= 200; ++s) {
      const GradcheckReport report = check(c, s);
      BOOST_TEST(report.ok(), c.title() << ", seed " << s << "\n" << report);
    }
}

BOOST_AUTO_TEST_SUITE_END()
