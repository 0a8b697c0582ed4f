#pragma once

#include <unroll/optim/schedule.h>

// Schedules that fall. Each throws, with what it was given, where an option is out of its range.
namespace unroll::optim {

struct StepDecayOptions {
  double lr = 0;
  Index every = 0;
  double factor = 0.1;
  double floor = 0;
};
// max(floor, lr · factor^⌊k / every⌋). Needs lr > 0, every > 0, 0 < factor <= 1, 0 <= floor <= lr.
Schedule step_decay(const StepDecayOptions& options);

struct MultiStepOptions {
  double lr = 0;
  std::vector<Index> at = {};  // steps, ascending
  double factor = 0.1;
};
// lr · factor^(how many of `at` are <= k). Needs lr > 0, factor > 0, ascending steps.
Schedule multi_step(const MultiStepOptions& options);

struct ExponentialOptions {
  double lr = 0;
  double factor = 0;
  double floor = 0;
};
// max(floor, lr · factor^k). Needs lr > 0, 0 < factor <= 1, 0 <= floor <= lr.
Schedule exponential(const ExponentialOptions& options);

struct LinearOptions {
  double from = 0;
  double to = 0;
  Index steps = 0;
};
// from + (to - from) · k / steps, then `to`. Needs from >= 0, to >= 0, steps > 0.
Schedule linear(const LinearOptions& options);

struct PolynomialOptions {
  double lr = 0;
  Index steps = 0;  // the floor holds from there on
  double floor = 0;
  double power = 1;
};
// floor + (lr - floor) · (1 - k / steps)^power. Needs lr > 0, steps > 0, 0 <= floor <= lr,
// power > 0.
Schedule polynomial(const PolynomialOptions& options);

struct CosineOptions {
  double lr = 0;
  Index steps = 0;  // altogether, warm-up included; the floor holds from there on
  double floor = 0;
  Index warmup = 0;  // steps on a straight line: lr / warmup, 2 · lr / warmup, …, lr
};
// Half a cosine (Loshchilov and Hutter 2017): floor + (lr - floor) · (1 + cos(π k / n)) / 2 at step
// k of the n behind the warm-up. Throws unless lr > 0, 0 <= floor <= lr and 0 <= warmup < steps.
Schedule cosine(const CosineOptions& options);

}  // namespace unroll::optim
