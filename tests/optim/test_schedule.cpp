#include <unroll/autograd/error.h>
#include <unroll/optim/cycles.h>
#include <unroll/optim/decay.h>

#include <cmath>
#include <limits>
#include <numbers>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"

namespace unroll::test {
namespace {

BOOST_AUTO_TEST_SUITE(schedule)

BOOST_AUTO_TEST_CASE(constant_is_constant) {
  BOOST_TEST(optim::constant(0.25).at(0) == 0.25);
  BOOST_TEST(optim::constant(0.25).at(1'000'000) == 0.25);
  BOOST_TEST(error_text([] { static_cast<void>(optim::constant(-1)); }) ==
             "[constant] lr -1; needed lr >= 0; hint: optim::constant(1e-3)");
}

BOOST_AUTO_TEST_CASE(cosine_warms_up_and_falls_to_the_floor) {
  const auto schedule = optim::cosine({.lr = 2, .steps = 12, .floor = 0.5, .warmup = 4});
  BOOST_TEST(schedule.at(0) == 0.5);
  BOOST_TEST(schedule.at(2) == 1.5);
  BOOST_TEST(schedule.at(3) == 2.0);
  BOOST_TEST(schedule.at(4) == 2.0);
  const double quarter = std::sqrt(0.5);  // cos(π / 4)
  BOOST_TEST(std::abs(schedule.at(6) - (0.5 + 0.75 * (1 + quarter))) < 1e-15);
  BOOST_TEST(std::abs(schedule.at(8) - 1.25) < 1e-15);
  BOOST_TEST(std::abs(schedule.at(10) - (0.5 + 0.75 * (1 - quarter))) < 1e-15);
  BOOST_TEST(schedule.at(12) == 0.5);
  BOOST_TEST(schedule.at(13) == 0.5);
  BOOST_TEST(schedule.at(100) == 0.5);
}

BOOST_AUTO_TEST_CASE(cosine_without_a_warmup_or_floor) {
  const auto schedule = optim::cosine({.lr = 1, .steps = 2});
  BOOST_TEST(schedule.at(0) == 1.0);
  BOOST_TEST(std::abs(schedule.at(1) - 0.5) < 1e-15);
  BOOST_TEST(schedule.at(2) == 0.0);
}

BOOST_AUTO_TEST_CASE(cosine_says_what_it_needs) {
  const std::string rest =
      "; needed lr > 0, 0 <= floor <= lr and 0 <= warmup < steps; hint: optim::cosine({.lr = 2e-3, "
      ".steps = 10'000, .warmup = 500})";
  const auto text = [](const optim::CosineOptions& o) {
    return error_text([&] { static_cast<void>(optim::cosine(o)); });
  };
  BOOST_TEST(text({.lr = 1}) == "[cosine] lr 1, steps 0, floor 0, warmup 0" + rest);
  BOOST_TEST(text({.steps = 5}) == "[cosine] lr 0, steps 5, floor 0, warmup 0" + rest);
  BOOST_TEST(text({.lr = 1, .steps = 5, .floor = 2}) ==
             "[cosine] lr 1, steps 5, floor 2, warmup 0" + rest);
  BOOST_TEST(text({.lr = 1, .steps = 5, .warmup = 5}) ==
             "[cosine] lr 1, steps 5, floor 0, warmup 5" + rest);
  BOOST_TEST(text({.lr = NAN, .steps = 5}) == "[cosine] lr nan, steps 5, floor 0, warmup 0" + rest);
}

BOOST_AUTO_TEST_CASE(a_function_of_ones_own) {
  const optim::Schedule halving(
      [](Index step) { return std::pow(0.5, static_cast<double>(step)); });
  BOOST_TEST(halving.at(3) == 0.125);
}

BOOST_AUTO_TEST_CASE(steps_count_from_zero) {
  BOOST_TEST(error_text([] { static_cast<void>(optim::constant(1).at(-1)); }) ==
             "[schedule] step -1; needed step >= 0; hint: schedule.at(adam.steps())");
}

BOOST_AUTO_TEST_CASE(warm_up_and_then_anything) {
  const auto cosine = optim::cosine({.lr = 2, .steps = 12, .floor = 0.5, .warmup = 4});
  const auto same =
      optim::warm_up({.steps = 4}, optim::cosine({.lr = 2, .steps = 8, .floor = 0.5}));
  for (Index step = 0; step < 20; ++step) BOOST_TEST(same.at(step) == cosine.at(step));
  const auto from =
      optim::warm_up({.steps = 5, .from = 0.5}, optim::step_decay({.lr = 1, .every = 2}));
  for (Index step = 0; step < 5; ++step)
    BOOST_TEST(std::abs(from.at(step) - (0.5 + 0.1 * static_cast<double>(step + 1))) < 1e-15);
  BOOST_TEST(from.at(6) == 1.0);
  BOOST_TEST(from.at(7) == 0.1);
  BOOST_TEST(optim::warm_up({}, optim::constant(3)).at(0) == 3.0);
  const auto text = [](const optim::WarmUpOptions& o) {
    return error_text([&] { static_cast<void>(optim::warm_up(o, optim::constant(1))); });
  };
  BOOST_TEST(text({.steps = -1}) ==
             "[warm_up] steps -1, from 0; needed steps >= 0 and 0 <= from <= 1; hint: "
             "optim::warm_up({.steps = 500}, optim::constant(1e-3))");
  BOOST_TEST(text({.steps = 1, .from = 2}).starts_with("[warm_up] steps 1, from 2;"));
}

BOOST_AUTO_TEST_CASE(one_after_the_other) {
  using optim::constant;
  const auto three =
      optim::sequence({{.steps = 2, .schedule = constant(1)},
                       {.steps = 3, .schedule = optim::linear({.to = 3, .steps = 3})},
                       {.schedule = optim::exponential({.lr = 8, .factor = 0.5})}});
  const double expected[] = {1, 1, 0, 1, 2, 8, 4, 2};
  for (Index step = 0; step < 8; ++step)
    BOOST_TEST(three.at(step) == expected[static_cast<std::size_t>(step)]);
  const std::string hint =
      "; hint: optim::sequence({{.steps = 100, .schedule = a}, {.schedule = b}})";
  BOOST_TEST(error_text([] { static_cast<void>(optim::sequence({})); }) ==
             "[sequence] no phase; needed at least one" + hint);
  BOOST_TEST(
      error_text([] {
        static_cast<void>(optim::sequence({{.schedule = constant(1)}, {.schedule = constant(2)}}));
      }) == "[sequence] phase 0 of 0 steps; needed steps > 0 in all but the last" + hint);
  BOOST_TEST(optim::product(constant(3), constant(0.5)).at(7) == 1.5);
}

BOOST_AUTO_TEST_CASE(floors) {
  const auto steps = optim::step_decay({.lr = 1, .every = 2, .factor = 0.5, .floor = 0.3});
  BOOST_TEST(steps.at(3) == 0.5);
  BOOST_TEST(steps.at(4) == 0.3);
  const auto falls = optim::exponential({.lr = 1, .factor = 0.5, .floor = 0.2});
  BOOST_TEST(falls.at(2) == 0.25);
  BOOST_TEST(falls.at(3) == 0.2);
  const auto curve = optim::polynomial({.lr = 1, .steps = 4, .floor = 0.2, .power = 2});
  BOOST_TEST(curve.at(0) == 1.0);
  BOOST_TEST(std::abs(curve.at(2) - 0.4) < 1e-15);
  BOOST_TEST(curve.at(4) == 0.2);
  BOOST_TEST(curve.at(400) == 0.2);
}

// Cycle by cycle, in plain numbers.
BOOST_AUTO_TEST_CASE(restarts_that_grow_and_fade) {
  const auto schedule =
      optim::cosine_restarts({.lr = 1, .period = 3, .growth = 3, .factor = 0.5, .floor = 0.05});
  Index step = 0, length = 3;
  double top = 1;
  for (int cycle = 0; cycle < 4; ++cycle, length *= 3, top *= 0.5)
    for (Index k = 0; k < length; ++k, ++step) {
      const double part = static_cast<double>(k) / static_cast<double>(length);
      const double expected = 0.05 + (top - 0.05) * (1 + std::cos(std::numbers::pi * part)) / 2;
      BOOST_TEST(std::abs(schedule.at(step) - expected) < 1e-15, step);
    }
  const auto for_ever = optim::cosine_restarts({.lr = 1, .period = 3, .growth = 1000});
  const double late = for_ever.at(std::numeric_limits<Index>::max());
  BOOST_TEST(late < 1.0);
  BOOST_TEST(late > 0.9999);  // 6e18 of 3e21
}

BOOST_AUTO_TEST_CASE(one_cycle_goes_up_and_down) {
  const auto schedule =
      optim::one_cycle({.lr = 1, .steps = 101, .rise = 0.2, .start = 4, .finish = 10});
  BOOST_TEST(schedule.at(0) == 0.25);
  BOOST_TEST(schedule.at(100) == 0.025);
  BOOST_TEST(schedule.at(1000) == 0.025);
  for (Index step = 1; step <= 19; ++step) BOOST_TEST(schedule.at(step) > schedule.at(step - 1));
  for (Index step = 21; step <= 100; ++step) BOOST_TEST(schedule.at(step) < schedule.at(step - 1));
}

BOOST_AUTO_TEST_CASE(the_others_say_what_they_need) {
  using namespace optim;
  const auto text = [](auto make, auto options) {
    return error_text([&] { static_cast<void>(make(options)); });
  };
  BOOST_TEST(
      text(step_decay, StepDecayOptions{.lr = 1}) ==
      "[step_decay] lr 1, every 0, factor 0.1, floor 0; needed lr > 0, every > 0, 0 < factor "
      "<= 1 and 0 <= floor <= lr; hint: optim::step_decay({.lr = 2e-3, .every = 1000, "
      ".factor = 0.5})");
  BOOST_TEST(text(multi_step, MultiStepOptions{.lr = 1, .at = {5, 3}}) ==
             "[multi_step] lr 1, factor 0.1, ascending 0; needed lr > 0, factor > 0 and ascending "
             "steps; hint: optim::multi_step({.lr = 2e-3, .at = {1000, 5000}, .factor = 0.1})");
  BOOST_TEST(text(exponential, ExponentialOptions{.lr = 1}) ==
             "[exponential] lr 1, factor 0, floor 0; needed lr > 0, 0 < factor <= 1 and 0 <= floor "
             "<= lr; hint: optim::exponential({.lr = 2e-3, .factor = 0.999})");
  BOOST_TEST(text(linear, LinearOptions{.from = 1}) ==
             "[linear] from 1, to 0, steps 0; needed from >= 0, to >= 0 and steps > 0; hint: "
             "optim::linear({.from = 2e-3, .to = 1e-4, .steps = 10'000})");
  BOOST_TEST(
      text(polynomial, PolynomialOptions{.lr = 1, .steps = 3, .power = 0}) ==
      "[polynomial] lr 1, steps 3, floor 0, power 0; needed lr > 0, steps > 0, 0 <= floor <= "
      "lr and power > 0; hint: optim::polynomial({.lr = 2e-3, .steps = 10'000, .power = "
      "2})");
  BOOST_TEST(text(cosine_restarts, CosineRestartsOptions{.lr = 1}) ==
             "[cosine_restarts] lr 1, period 0, growth 1, factor 1, floor 0; needed lr > 0, period "
             "> 0, growth >= 1, 0 < factor <= 1 and 0 <= floor <= lr; hint: "
             "optim::cosine_restarts({.lr = 2e-3, .period = 1000, .growth = 2})");
  const std::string cycle =
      "; needed lr > 0, start >= 1, finish >= 1 and steps for each phase; hint: "
      "optim::one_cycle({.lr = 1e-2, .steps = 10'000})";
  BOOST_TEST(text(one_cycle, OneCycleOptions{.lr = 1, .steps = 3}) ==
             "[one_cycle] lr 1, steps 3, rise 0.3, start 25, finish 10000, three_phases 0" + cycle);
  BOOST_TEST(
      text(one_cycle, OneCycleOptions{.lr = 1, .steps = 100, .rise = 0.6, .three_phases = true}) ==
      "[one_cycle] lr 1, steps 100, rise 0.6, start 25, finish 10000, three_phases 1" + cycle);
  BOOST_TEST(
      text(cyclic, CyclicOptions{.low = 2, .high = 1, .up = 1}) ==
      "[cyclic] low 2, high 1, up 1, down 0, factor 1; needed 0 <= low <= high, up > 0, down "
      ">= 0 and 0 < factor <= 1; hint: optim::cyclic({.low = 1e-4, .high = 1e-2, .up = "
      "1000})");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace unroll::test
