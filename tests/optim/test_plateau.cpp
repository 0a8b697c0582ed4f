#include <unroll/autograd/compare.h>
#include <unroll/autograd/create.h>
#include <unroll/autograd/error.h>
#include <unroll/optim/plateau.h>

#include <cmath>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"

// Against PyTorch: test_schedule_torch.cpp.
namespace unroll::test {
namespace {

using optim::Better;
using optim::Plateau;

BOOST_AUTO_TEST_SUITE(plateau)

BOOST_AUTO_TEST_CASE(falls_after_its_patience) {
  Plateau plateau({.lr = 1, .factor = 0.5, .patience = 2, .floor = 0.2});
  const double metrics[] = {3, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  const double rates[] = {1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2};
  for (std::size_t i = 0; i < 14; ++i) {
    BOOST_TEST(plateau.observe(metrics[i]) == rates[i], i);
    BOOST_TEST(plateau.lr() == rates[i]);
  }
}

// A relative threshold is a part of the best metric's size, also below zero.
BOOST_AUTO_TEST_CASE(negative_metrics) {
  Plateau plateau({.lr = 1, .factor = 0.5, .patience = 0, .threshold = 0.1});
  BOOST_TEST(plateau.observe(-10) == 1.0);
  BOOST_TEST(plateau.observe(-11.5) == 1.0);
  BOOST_TEST(plateau.observe(-12) == 0.5);
  Plateau higher(
      {.lr = 1, .factor = 0.5, .patience = 0, .threshold = 0.1, .better = Better::higher});
  BOOST_TEST(higher.observe(-10) == 1.0);
  BOOST_TEST(higher.observe(-8.5) == 1.0);
  BOOST_TEST(higher.observe(-8) == 0.5);
}

BOOST_AUTO_TEST_CASE(goes_on_where_it_was) {
  const optim::PlateauOptions options{.lr = 1, .factor = 0.5, .patience = 1, .cooldown = 2};
  for (int cut = 0; cut < 20; ++cut) {
    Plateau whole(options), first(options), second(options);
    second.observe(-100);  // forgotten by restore
    for (int i = 0; i < 20; ++i) {
      const double metric = std::sin(0.7 * i) + 0.01 * i;
      if (i == cut) second.restore(first.state());
      const double expected = whole.observe(metric);
      BOOST_TEST((i < cut ? first : second).observe(metric) == expected, cut << " " << i);
    }
    BOOST_TEST(whole.lr() < 0.3);
  }
}

BOOST_AUTO_TEST_CASE(what_it_refuses) {
  const std::string rest =
      "; needed lr > 0, 0 < factor < 1, 0 <= floor <= lr and the others >= 0; hint: "
      "optim::Plateau plateau({.lr = 1e-3, .factor = 0.5, .patience = 5})";
  BOOST_TEST(error_text([] { const Plateau p({}); }) ==
             "[plateau] lr 0, factor 0.1, patience 10, threshold 0.0001, cooldown 0, floor 0, "
             "least_change 1e-08" +
                 rest);
  BOOST_TEST(error_text([] {
               const Plateau p({.lr = 1, .factor = 1});
             }).starts_with("[plateau] lr 1, factor 1,"));
  Plateau plateau({.lr = 1, .patience = 0});
  plateau.observe(1);
  const auto before = plateau.state();
  BOOST_TEST(error_text([&] { plateau.observe(NAN); }) ==
             "[plateau] metric nan; needed a finite metric; nothing was changed; hint: if "
             "(std::isfinite(loss)) plateau.observe(loss)");
  auto bad = before;
  bad[0].tensor = full({}, -1, f64);
  bad[1].tensor = full({}, NAN, f64);
  bad[2].name = "seen";
  bad[3].tensor = ones({});
  bad[4].tensor = full({}, -2, i64);
  BOOST_TEST(error_text([&] { plateau.restore(bad); }) ==
             "[plateau] state of another schedule: lr is -1, best is nan, observed is missing, "
             "waiting is f32 [] instead of i64 [], cooling is -2, seen is unknown here; needed "
             "what state() returned; hint: make schedule with the same options first");
  const auto after = plateau.state();
  for (std::size_t i = 0; i < before.size(); ++i)
    BOOST_TEST(all_equal(before[i].tensor, after[i].tensor).ok());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace unroll::test
