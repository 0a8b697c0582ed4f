// The gradient check of models is checked: cells and layers that are known to be wrong, and such
// that are known to be right.
#include <boost/test/unit_test.hpp>

#include "support/full_size.h"
#include "support/mutation_table.h"
#include "support/right_rules.h"
#include "support/wrong_models.h"
#include "support/wrong_rules.h"

namespace {
using namespace unroll;
using namespace unroll::test;

GradcheckReport check(const ModelCase& c, std::uint64_t seed = 1) {
  return gradcheck(*c.model, c.loss,
                   {.order = c.second_order() ? 2 : 1, .training = c.training, .seed = seed});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gradcheck_mutations)

BOOST_AUTO_TEST_CASE(wrong_models_are_wrong) {
  for (const ModelCase& c : wrong_models())
    BOOST_TEST_CONTEXT(c.title()) BOOST_TEST(disproof(c) == "");
}
BOOST_AUTO_TEST_CASE(right_models_are_right) {
  for (const ModelCase& c : right_models(1))
    BOOST_TEST_CONTEXT(c.title()) BOOST_TEST(disproof(c) == "");
}

BOOST_AUTO_TEST_CASE(every_wrong_model_is_caught) {
  MutationTable table;
  for (const ModelCase& c : wrong_models()) table.add(c.as_rule(), c.path, check(c));
  table.check("## Models, judged by gradcheck");
}

// The wrong rules of operations, of the parameters of a model. Of these nobody asks whether f32
// agrees, or what comes where some of them are constants.
BOOST_AUTO_TEST_CASE(wrong_rules_are_caught_in_parameters) {
  for (const RuleCase& rule : all_wrong_rules()) {
    if (rule.shows == Shows::single_precision || rule.shows == Shows::alone) continue;
    const ModelCase c = as_model(rule, 1);
    if (rule.anew) rule.anew();
    BOOST_TEST(!check(c).ok(), c.title() << " went unnoticed");
  }
}

BOOST_AUTO_TEST_CASE(right_rules_raise_no_alarm_in_parameters) {
  for (const RuleCase& rule : all_right_rules()) {
    const GradcheckReport report = check(as_model(rule, 1));
    BOOST_TEST(report.ok(), rule.title() << "\n" << report);
  }
}

// 200 seeds; each model is drawn with a few of them, or with all where there is time.
BOOST_AUTO_TEST_CASE(right_models_raise_no_alarm) {
  BOOST_TEST(right_models(1).size() >= wrong_models().size());
  const std::uint64_t every = full_or<std::uint64_t>(1, 50);
  for (std::uint64_t s = 1; s <= 200; ++s) {
    std::uint64_t number = 0;
    for (const ModelCase& c : right_models(s)) {
      if ((s + ++number) % every != 0) continue;
      const GradcheckReport report = check(c, s);
      BOOST_TEST(report.ok(), c.title() << ", seed " << s << "\n" << report);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
