#pragma once

#include <unroll/autograd/index.h>

#include <functional>

namespace unroll::optim {

// A learning rate as a function of the step, counted from 0:
//   const auto schedule = optim::cosine({.lr = 2e-3, .steps = 10'000, .warmup = 500});
//   adam.set_lr(schedule.at(adam.steps()));
//   adam.step(grads);
class Schedule {
 public:
  explicit Schedule(std::function<double(Index step)> rate) : rate_(std::move(rate)) {}
  double at(Index step) const { return rate_(step); }

 private:
  std::function<double(Index)> rate_;
};

Schedule constant(double lr);

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
