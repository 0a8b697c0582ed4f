#include <unroll/autograd/error.h>
#include <unroll/optim/detail/plan.h>
#include <unroll/optim/schedule.h>

#include <cmath>
#include <utility>

namespace unroll::optim {

double Schedule::at(Index step) const {
  if (step < 0)
    fail_nowhere("schedule", {.given = "step " + std::to_string(step),
                              .needed = "step >= 0",
                              .hint = "schedule.at(adam.steps())"});
  return rate_(step);
}

Schedule constant(double lr) {
  if (!detail::is_amount(lr))
    fail_nowhere("constant", {.given = "lr " + detail::number_text(lr),
                              .needed = "lr >= 0",
                              .hint = "optim::constant(1e-3)"});
  return Schedule([lr](Index) { return lr; });
}

Schedule warm_up(const WarmUpOptions& o, Schedule then) {
  if (!(o.steps >= 0 && o.from >= 0 && o.from <= 1))
    fail_nowhere("warm_up", {.given = "steps " + std::to_string(o.steps) + ", from " +
                                      detail::number_text(o.from),
                             .needed = "steps >= 0 and 0 <= from <= 1",
                             .hint = "optim::warm_up({.steps = 500}, optim::constant(1e-3))"});
  return Schedule([o, then = std::move(then)](Index step) {
    if (step >= o.steps) return then.at(step - o.steps);
    const double part = static_cast<double>(step + 1) / static_cast<double>(o.steps);
    return then.at(0) * (o.from + (1 - o.from) * part);
  });
}

Schedule sequence(std::vector<Phase> phases) {
  const char* hint = "optim::sequence({{.steps = 100, .schedule = a}, {.schedule = b}})";
  if (phases.empty())
    fail_nowhere("sequence", {.given = "no phase", .needed = "at least one", .hint = hint});
  for (std::size_t i = 0; i + 1 < phases.size(); ++i)
    if (phases[i].steps <= 0)
      fail_nowhere("sequence", {.given = "phase " + std::to_string(i) + " of " +
                                         std::to_string(phases[i].steps) + " steps",
                                .needed = "steps > 0 in all but the last",
                                .hint = hint});
  return Schedule([phases = std::move(phases)](Index step) {
    std::size_t i = 0;
    for (; i + 1 < phases.size() && step >= phases[i].steps; ++i) step -= phases[i].steps;
    return phases[i].schedule.at(step);
  });
}

Schedule product(Schedule a, Schedule b) {
  return Schedule(
      [a = std::move(a), b = std::move(b)](Index step) { return a.at(step) * b.at(step); });
}

}  // namespace unroll::optim
