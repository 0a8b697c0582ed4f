#pragma once

#include <unroll/autograd/index.h>
#include <unroll/optim/state.h>

#include <span>
#include <vector>

namespace unroll::optim {

enum class Better { lower, higher };

struct PlateauOptions {
  double lr = 0;
  double factor = 0.1;
  Index patience = 10;      // metrics in a row that are not better
  double threshold = 1e-4;  // how much better is better
  bool relative = true;     // the threshold is times |best|
  Better better = Better::lower;
  Index cooldown = 0;  // metrics after a fall that are not counted
  double floor = 0;
  double least_change = 1e-8;  // smaller falls are left out
};

// A rate that falls by a factor where a metric has stopped getting better.
//   adam.set_lr(plateau.observe(validation_loss));
class Plateau {
 public:
  // Throws unless lr > 0, 0 < factor < 1, 0 <= floor <= lr and the others are not below 0.
  explicit Plateau(const PlateauOptions& options);

  // Takes a metric, returns the rate from now on. Throws, and takes nothing, where it is not
  // finite.
  double observe(double metric);
  double lr() const { return lr_; }

  // Everything that the next rate depends on besides the options. `restore` throws, with all that
  // is wrong, before anything is changed.
  std::vector<StateEntry> state() const;
  void restore(std::span<const StateEntry> entries);

 private:
  bool improves(double metric) const;

  PlateauOptions options_;
  double lr_;
  double best_ = 0;
  Index observed_ = 0;
  Index waiting_ = 0;  // metrics since the best one
  Index cooling_ = 0;
};

}  // namespace unroll::optim
