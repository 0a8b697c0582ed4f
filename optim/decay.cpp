#include <unroll/autograd/error.h>
#include <unroll/optim/decay.h>
#include <unroll/optim/detail/schedule_text.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace unroll::optim {

using detail::check_schedule;
using detail::is_rate;

Schedule step_decay(const StepDecayOptions& o) {
  check_schedule(is_rate(o.lr) && o.every > 0 && o.factor > 0 && o.factor <= 1 && o.floor >= 0 &&
                     o.floor <= o.lr,
                 "step_decay",
                 {{"lr", o.lr},
                  {"every", static_cast<double>(o.every)},
                  {"factor", o.factor},
                  {"floor", o.floor}},
                 "lr > 0, every > 0, 0 < factor <= 1 and 0 <= floor <= lr",
                 "optim::step_decay({.lr = 2e-3, .every = 1000, .factor = 0.5})");
  return Schedule([o](Index step) {
    const Index falls = step / o.every;
    return std::max(o.floor, o.lr * std::pow(o.factor, static_cast<double>(falls)));
  });
}

Schedule multi_step(const MultiStepOptions& o) {
  const bool ascending = std::is_sorted(o.at.begin(), o.at.end());
  check_schedule(is_rate(o.lr) && is_rate(o.factor) && ascending, "multi_step",
                 {{"lr", o.lr}, {"factor", o.factor}, {"ascending", ascending ? 1 : 0}},
                 "lr > 0, factor > 0 and ascending steps",
                 "optim::multi_step({.lr = 2e-3, .at = {1000, 5000}, .factor = 0.1})");
  return Schedule([o](Index step) {
    const auto passed = std::upper_bound(o.at.begin(), o.at.end(), step) - o.at.begin();
    return o.lr * std::pow(o.factor, static_cast<double>(passed));
  });
}

Schedule exponential(const ExponentialOptions& o) {
  check_schedule(is_rate(o.lr) && o.factor > 0 && o.factor <= 1 && o.floor >= 0 && o.floor <= o.lr,
                 "exponential", {{"lr", o.lr}, {"factor", o.factor}, {"floor", o.floor}},
                 "lr > 0, 0 < factor <= 1 and 0 <= floor <= lr",
                 "optim::exponential({.lr = 2e-3, .factor = 0.999})");
  return Schedule([o](Index step) {
    return std::max(o.floor, o.lr * std::pow(o.factor, static_cast<double>(step)));
  });
}

Schedule linear(const LinearOptions& o) {
  check_schedule(detail::is_amount(o.from) && detail::is_amount(o.to) && o.steps > 0, "linear",
                 {{"from", o.from}, {"to", o.to}, {"steps", static_cast<double>(o.steps)}},
                 "from >= 0, to >= 0 and steps > 0",
                 "optim::linear({.from = 2e-3, .to = 1e-4, .steps = 10'000})");
  return Schedule([o](Index step) {
    if (step >= o.steps) return o.to;
    return o.from + (o.to - o.from) * static_cast<double>(step) / static_cast<double>(o.steps);
  });
}

Schedule polynomial(const PolynomialOptions& o) {
  check_schedule(
      is_rate(o.lr) && o.steps > 0 && o.floor >= 0 && o.floor <= o.lr && is_rate(o.power),
      "polynomial",
      {{"lr", o.lr},
       {"steps", static_cast<double>(o.steps)},
       {"floor", o.floor},
       {"power", o.power}},
      "lr > 0, steps > 0, 0 <= floor <= lr and power > 0",
      "optim::polynomial({.lr = 2e-3, .steps = 10'000, .power = 2})");
  return Schedule([o](Index step) {
    if (step >= o.steps) return o.floor;
    const double part = static_cast<double>(o.steps - step) / static_cast<double>(o.steps);
    return o.floor + (o.lr - o.floor) * std::pow(part, o.power);
  });
}

Schedule cosine(const CosineOptions& o) {
  check_schedule(
      is_rate(o.lr) && o.floor >= 0 && o.floor <= o.lr && 0 <= o.warmup && o.warmup < o.steps,
      "cosine",
      {{"lr", o.lr},
       {"steps", static_cast<double>(o.steps)},
       {"floor", o.floor},
       {"warmup", static_cast<double>(o.warmup)}},
      "lr > 0, 0 <= floor <= lr and 0 <= warmup < steps",
      "optim::cosine({.lr = 2e-3, .steps = 10'000, .warmup = 500})");
  return Schedule([o](Index step) {
    if (step < o.warmup)
      return o.lr * static_cast<double>(step + 1) / static_cast<double>(o.warmup);
    if (step >= o.steps) return o.floor;
    const double part =
        static_cast<double>(step - o.warmup) / static_cast<double>(o.steps - o.warmup);
    return o.floor + (o.lr - o.floor) * (1 + std::cos(std::numbers::pi * part)) / 2;
  });
}

}  // namespace unroll::optim
