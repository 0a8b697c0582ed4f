#include <unroll/autograd/error.h>
#include <unroll/optim/detail/plan.h>
#include <unroll/optim/schedule.h>

#include <cmath>
#include <numbers>

namespace unroll::optim {

Schedule constant(double lr) {
  if (!detail::is_amount(lr))
    fail_nowhere("constant", {.given = "lr " + detail::number_text(lr),
                              .needed = "lr >= 0",
                              .hint = "optim::constant(1e-3)"});
  return Schedule([lr](Index) { return lr; });
}

Schedule cosine(const CosineOptions& o) {
  if (!(o.lr > 0 && std::isfinite(o.lr) && o.floor >= 0 && o.floor <= o.lr && 0 <= o.warmup &&
        o.warmup < o.steps))
    fail_nowhere("cosine",
                 {.given = "lr " + detail::number_text(o.lr) + ", steps " +
                           std::to_string(o.steps) + ", floor " + detail::number_text(o.floor) +
                           ", warmup " + std::to_string(o.warmup),
                  .needed = "lr > 0, 0 <= floor <= lr and 0 <= warmup < steps",
                  .hint = "optim::cosine({.lr = 2e-3, .steps = 10'000, .warmup = 500})"});
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
