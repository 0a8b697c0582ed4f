#include <unroll/optim/cycles.h>
#include <unroll/optim/detail/schedule_text.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace unroll::optim {
namespace {

// From a to b as part goes from 0 to 1.
double between(double a, double b, double part, Anneal anneal) {
  if (anneal == Anneal::linear) return a + (b - a) * part;
  return b + (a - b) * (1 + std::cos(std::numbers::pi * part)) / 2;
}

}  // namespace

Schedule cosine_restarts(const CosineRestartsOptions& o) {
  detail::check_schedule(detail::is_rate(o.lr) && o.period > 0 && o.growth >= 1 && o.factor > 0 &&
                             o.factor <= 1 && o.floor >= 0 && o.floor <= o.lr,
                         "cosine_restarts",
                         {{"lr", o.lr},
                          {"period", static_cast<double>(o.period)},
                          {"growth", static_cast<double>(o.growth)},
                          {"factor", o.factor},
                          {"floor", o.floor}},
                         "lr > 0, period > 0, growth >= 1, 0 < factor <= 1 and 0 <= floor <= lr",
                         "optim::cosine_restarts({.lr = 2e-3, .period = 1000, .growth = 2})");
  return Schedule([o](Index step) {
    auto k = static_cast<double>(step), length = static_cast<double>(o.period), cycle = 0.0;
    if (o.growth == 1) {
      cycle = std::floor(k / length);
      k = static_cast<double>(step % o.period);
    }
    for (; k >= length; ++cycle) {
      k -= length;
      length *= static_cast<double>(o.growth);
    }
    const double top = std::max(o.floor, o.lr * std::pow(o.factor, cycle));
    return between(top, o.floor, k / length, Anneal::cosine);
  });
}

Schedule one_cycle(const OneCycleOptions& o) {
  const auto steps = static_cast<double>(o.steps);
  const double peak = o.rise * steps - 1, last = steps - 1;
  const double back = o.three_phases ? 2 * peak : peak;
  detail::check_schedule(detail::is_rate(o.lr) && o.start >= 1 && std::isfinite(o.start) &&
                             o.finish >= 1 && std::isfinite(o.finish) && o.rise > 0 && o.rise < 1 &&
                             peak > 0 && back < last,
                         "one_cycle",
                         {{"lr", o.lr},
                          {"steps", steps},
                          {"rise", o.rise},
                          {"start", o.start},
                          {"finish", o.finish},
                          {"three_phases", o.three_phases ? 1 : 0}},
                         "lr > 0, start >= 1, finish >= 1 and steps for each phase",
                         "optim::one_cycle({.lr = 1e-2, .steps = 10'000})");
  return Schedule([=](Index step) {
    const double k = std::min(static_cast<double>(step), last);
    const double low = o.lr / o.start, end = low / o.finish;
    if (k <= peak) return between(low, o.lr, k / peak, o.anneal);
    if (o.three_phases && k <= back) return between(o.lr, low, (k - peak) / peak, o.anneal);
    return between(o.three_phases ? low : o.lr, end, (k - back) / (last - back), o.anneal);
  });
}

Schedule cyclic(const CyclicOptions& o) {
  detail::check_schedule(detail::is_amount(o.low) && detail::is_amount(o.high) && o.low <= o.high &&
                             o.up > 0 && o.down >= 0 && o.factor > 0 && o.factor <= 1,
                         "cyclic",
                         {{"low", o.low},
                          {"high", o.high},
                          {"up", static_cast<double>(o.up)},
                          {"down", static_cast<double>(o.down)},
                          {"factor", o.factor}},
                         "0 <= low <= high, up > 0, down >= 0 and 0 < factor <= 1",
                         "optim::cyclic({.low = 1e-4, .high = 1e-2, .up = 1000})");
  return Schedule([o](Index step) {
    const Index down = o.down > 0 ? o.down : o.up;
    const Index cycle = step / (o.up + down), k = step % (o.up + down);
    const double part = k <= o.up
                            ? static_cast<double>(k) / static_cast<double>(o.up)
                            : static_cast<double>(o.up + down - k) / static_cast<double>(down);
    double height = o.high - o.low;
    if (o.wave == Wave::halving) height *= std::pow(0.5, static_cast<double>(cycle));
    if (o.wave == Wave::fading) height *= std::pow(o.factor, static_cast<double>(step));
    return o.low + height * part;
  });
}

}  // namespace unroll::optim
