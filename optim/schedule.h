#pragma once

#include <unroll/autograd/index.h>

#include <functional>
#include <vector>

namespace unroll::optim {

// A learning rate as a function of the step, counted from 0:
//   const auto schedule = optim::cosine({.lr = 2e-3, .steps = 10'000, .warmup = 500});
//   adam.set_lr(schedule.at(adam.steps()));
//   adam.step(grads);
// set_lr changes the rates of all groups by the factor by which it changes the first one's. There
// is no state to save: the optimiser knows its step. Schedules that count epochs are asked for
// at(epoch).
class Schedule {
 public:
  explicit Schedule(std::function<double(Index step)> rate) : rate_(std::move(rate)) {}
  double at(Index step) const;  // throws where step < 0

 private:
  std::function<double(Index)> rate_;
};

Schedule constant(double lr);

struct WarmUpOptions {
  Index steps = 0;
  double from = 0;  // factor before the first of them
};
// During the first n steps what `then` gives for its step 0, times from + (1 - from) · (k + 1) / n
// at step k; afterwards `then`, from its step 0. Throws unless steps >= 0 and 0 <= from <= 1.
//   optim::warm_up({.steps = 500}, optim::exponential({.lr = 1e-3, .factor = 0.9999}))
Schedule warm_up(const WarmUpOptions& options, Schedule then);

struct Phase {
  Index steps = 0;  // of the last one: not looked at, it lasts for ever
  Schedule schedule;
};
// One schedule after the other, each from its step 0. Throws unless there is one and all but the
// last have steps > 0.
Schedule sequence(std::vector<Phase> phases);

// a times b, at the same step. One of them may be a factor: linear({.from = 0.1, .to = 1, …}).
Schedule product(Schedule a, Schedule b);

}  // namespace unroll::optim
