#include <unroll/autograd/error.h>
#include <unroll/optim/decay.h>

#include <cmath>

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

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace unroll::test
