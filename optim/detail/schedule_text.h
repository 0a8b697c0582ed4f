#pragma once

#include <unroll/autograd/error.h>
#include <unroll/optim/detail/plan.h>

// How schedules complain.
namespace unroll::optim::detail {

inline bool is_rate(double value) { return value > 0 && std::isfinite(value); }

// Throws "[cosine] lr 0, steps 5, …; needed …; hint: …" unless the condition holds.
inline void check_schedule(bool holds, const char* operation,
                           std::initializer_list<std::pair<const char*, double>> options,
                           const char* needed, const char* hint) {
  if (!holds)
    fail_nowhere(operation,
                 {.given = option_text(options).substr(2), .needed = needed, .hint = hint});
}

}  // namespace unroll::optim::detail
