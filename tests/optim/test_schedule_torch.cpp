#include <unroll/nn/safetensors.h>

#include <cmath>
#include <map>

#include <boost/test/unit_test.hpp>

#include "optim/model.h"
#include "support/source_tree.h"

// Sixty steps of each schedule against PyTorch in double: tests/fixtures/make_schedules.py.
namespace unroll::test {
namespace {

constexpr double lr = 0.4;

nn::Safetensors fixture() {
  return nn::Safetensors::open(source_tree("tests/fixtures/schedules.safetensors"));
}

std::map<std::string, optim::Schedule> schedules() {
  using namespace optim;
  return {
      {"step", step_decay({.lr = lr, .every = 7, .factor = 0.3})},
      {"multi_step", multi_step({.lr = lr, .at = {5, 6, 20, 41}, .factor = 0.5})},
      {"constant",
       sequence({{.steps = 9, .schedule = constant(0.25 * lr)}, {.schedule = constant(lr)}})},
      {"linear", linear({.from = 0.1 * lr, .to = 0.8 * lr, .steps = 30})},
      {"exponential", exponential({.lr = lr, .factor = 0.93})},
      {"polynomial", polynomial({.lr = lr, .steps = 40, .power = 2.5})},
      {"cosine", cosine({.lr = lr, .steps = 60, .floor = 0.05})},
      {"restarts", cosine_restarts({.lr = lr, .period = 8, .growth = 2, .floor = 0.05})},
      {"equal_restarts", cosine_restarts({.lr = lr, .period = 8})},
      {"one_cycle", one_cycle({.lr = lr, .steps = 60})},
      {"one_cycle_linear", one_cycle({.lr = lr,
                                      .steps = 60,
                                      .rise = 0.45,
                                      .start = 10,
                                      .finish = 50,
                                      .anneal = Anneal::linear})},
      {"one_cycle_three_phases",
       one_cycle({.lr = lr, .steps = 60, .rise = 0.4, .three_phases = true})},
      {"triangular", cyclic({.low = 0.1, .high = lr, .up = 5, .down = 9})},
      {"triangular2", cyclic({.low = 0.1, .high = lr, .up = 6, .wave = Wave::halving})},
      {"exp_range",
       cyclic({.low = 0.1, .high = lr, .up = 6, .wave = Wave::fading, .factor = 0.97})},
      {"own", Schedule([](Index k) { return lr / (1 + 0.1 * static_cast<double>(k)); })},
      {"multiplicative", Schedule([](Index k) {
         double rate = lr;
         for (Index i = 1; i <= k; ++i) rate *= 1 - 0.5 / static_cast<double>(1 + i);
         return rate;
       })},
      {"sequence", sequence({{.steps = 12, .schedule = constant(0.1 * lr)},
                             {.schedule = exponential({.lr = lr, .factor = 0.9})}})},
      {"product", product(linear({.from = 0.2, .to = 1, .steps = 10}),
                          exponential({.lr = lr, .factor = 0.95}))},
  };
}

std::map<std::string, optim::PlateauOptions> plateaus() {
  using optim::Better;
  return {
      {"plateau", {.lr = lr, .factor = 0.5, .patience = 3}},
      {"plateau_max",
       {.lr = lr, .factor = 0.3, .patience = 2, .threshold = 0.05, .better = Better::higher}},
      {"plateau_absolute",
       {.lr = lr,
        .factor = 0.5,
        .patience = 1,
        .threshold = 0.1,
        .relative = false,
        .cooldown = 4,
        .floor = 0.01}},
      {"plateau_min_change",
       {.lr = lr, .factor = 0.1, .patience = 0, .threshold = 0.5, .least_change = 1e-3}},
  };
}

BOOST_AUTO_TEST_SUITE(schedule_torch)

BOOST_AUTO_TEST_CASE(sixty_steps_of_each) {
  const auto file = fixture();
  for (const auto& [name, schedule] : schedules()) {
    const Tensor expected = file[name];
    for (Index step = 0; step < 60; ++step) {
      const double rate = expected.span<double>()[static_cast<std::size_t>(step)];
      const double mine = schedule.at(step);
      BOOST_TEST(std::abs(mine - rate) <= 1e-11 * rate + 1e-16,
                 name << " step " << step << ": " << mine << " instead of " << rate);
    }
  }
}

BOOST_AUTO_TEST_CASE(sixty_metrics_of_each_plateau) {
  const auto file = fixture();
  const Tensor metrics = file["metrics"];
  for (const auto& [name, options] : plateaus()) {
    optim::Plateau plateau(options);
    const Tensor expected = file[name];
    for (std::size_t i = 0; i < 60; ++i) {
      const double rate = expected.span<double>()[i];
      const double mine = plateau.observe(metrics.span<double>()[i]);
      BOOST_TEST(std::abs(mine - rate) <= 1e-11 * rate,
                 name << " metric " << i << ": " << mine << " instead of " << rate);
    }
    BOOST_TEST(plateau.lr() < lr, name);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace unroll::test
