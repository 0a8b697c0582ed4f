#pragma once

#include <unroll/autograd/index.h>

#include <chrono>
#include <string>

// Shows how training goes: a bar on a terminal, a line now and then elsewhere.
class Progress {
 public:
  explicit Progress(unroll::Index steps);

  // After `done` steps; valid_nats < 0: not known yet.
  void show(unroll::Index done, double train_nats, double valid_nats, double characters);
  void finish();
  double seconds() const;

 private:
  unroll::Index steps_;
  bool terminal_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double shown_at_ = -1;
};
