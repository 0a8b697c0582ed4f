#pragma once

#include <unroll/optim/schedule.h>

// Schedules that rise and fall. Each throws, with what it was given, where an option is out of its
// range.
namespace unroll::optim {

struct CosineRestartsOptions {
  double lr = 0;
  Index period = 0;   // steps of the first cycle
  Index growth = 1;   // each is so many times as long as the one before
  double factor = 1;  // of the rate at each restart
  double floor = 0;
};
// Cosines one after the other (Loshchilov and Hutter 2017): at step k of the n of cycle c,
// counted from 0, floor + (lr · factor^c - floor) · (1 + cos(π k / n)) / 2, no less than the floor.
// Needs lr > 0, period > 0, growth >= 1, 0 < factor <= 1, 0 <= floor <= lr.
Schedule cosine_restarts(const CosineRestartsOptions& options);

enum class Anneal { cosine, linear };

struct OneCycleOptions {
  double lr = 0;  // the highest
  Index steps = 0;
  double rise = 0.3;    // part of the steps that go up
  double start = 25;    // lr / start at first
  double finish = 1e4;  // lr / start / finish at last
  Anneal anneal = Anneal::cosine;
  bool three_phases = false;  // as long down to lr / start, and only then to the end
};
// Smith and Topin 2018: up from lr / start to lr in the first part of the steps, down to
// lr / (start · finish) in the rest; the last rate holds. Momentum is left alone. Needs lr > 0,
// start >= 1, finish >= 1, 0 < rise < 1 and rise · steps > 1; with three phases,
// 2 · rise · steps < steps + 1.
Schedule one_cycle(const OneCycleOptions& options);

enum class Wave { triangle, halving, fading };

struct CyclicOptions {
  double low = 0;
  double high = 0;
  Index up = 0;    // steps
  Index down = 0;  // 0: as many
  Wave wave = Wave::triangle;
  double factor = 1;  // of fading
};
// Smith 2017: from low to high in `up` steps and back in `down`, again and again. The height
// high - low is kept (triangle), halved from cycle to cycle, or multiplied by factor^k at step k
// (fading). Needs 0 <= low <= high, up > 0, down >= 0, 0 < factor <= 1.
Schedule cyclic(const CyclicOptions& options);

}  // namespace unroll::optim
