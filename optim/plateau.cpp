#include <unroll/optim/detail/schedule_text.h>
#include <unroll/optim/detail/state_reader.h>
#include <unroll/optim/plateau.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace unroll::optim {

Plateau::Plateau(const PlateauOptions& options) : options_(options), lr_(options.lr) {
  const PlateauOptions& o = options;
  detail::check_schedule(detail::is_rate(o.lr) && o.factor > 0 && o.factor < 1 && o.patience >= 0 &&
                             detail::is_amount(o.threshold) && o.cooldown >= 0 && o.floor >= 0 &&
                             o.floor <= o.lr && detail::is_amount(o.least_change),
                         "plateau",
                         {{"lr", o.lr},
                          {"factor", o.factor},
                          {"patience", static_cast<double>(o.patience)},
                          {"threshold", o.threshold},
                          {"cooldown", static_cast<double>(o.cooldown)},
                          {"floor", o.floor},
                          {"least_change", o.least_change}},
                         "lr > 0, 0 < factor < 1, 0 <= floor <= lr and the others >= 0",
                         "optim::Plateau plateau({.lr = 1e-3, .factor = 0.5, .patience = 5})");
}

bool Plateau::improves(double metric) const {
  if (observed_ == 0) return true;
  const double margin = options_.threshold * (options_.relative ? std::abs(best_) : 1);
  return options_.better == Better::lower ? metric < best_ - margin : metric > best_ + margin;
}

double Plateau::observe(double metric) {
  if (!std::isfinite(metric))
    fail_nowhere("plateau", {.given = "metric " + detail::number_text(metric),
                             .needed = "a finite metric; nothing was changed",
                             .hint = "if (std::isfinite(loss)) plateau.observe(loss)"});
  if (improves(metric)) {
    best_ = metric;
    waiting_ = 0;
  } else {
    ++waiting_;
  }
  ++observed_;
  if (cooling_ > 0) {
    --cooling_;
    waiting_ = 0;
  }
  if (waiting_ > options_.patience) {
    const double next = std::max(options_.floor, lr_ * options_.factor);
    if (lr_ - next > options_.least_change) lr_ = next;
    cooling_ = options_.cooldown;
    waiting_ = 0;
  }
  return lr_;
}

std::vector<StateEntry> Plateau::state() const {
  return {{"lr", detail::saved(lr_)},
          {"best", detail::saved(best_)},
          {"observed", detail::saved(observed_)},
          {"waiting", detail::saved(waiting_)},
          {"cooling", detail::saved(cooling_)}};
}

void Plateau::restore(std::span<const StateEntry> entries) {
  detail::StateReader reader(entries);
  const double lr = reader.take_number("lr", 0);
  const double best = reader.take_number("best", -std::numeric_limits<double>::infinity());
  const Index observed = reader.take_count("observed");
  const Index waiting = reader.take_count("waiting");
  const Index cooling = reader.take_count("cooling");
  reader.finish("plateau", "schedule");
  lr_ = lr;
  best_ = best;
  observed_ = observed;
  waiting_ = waiting;
  cooling_ = cooling;
}

}  // namespace unroll::optim
