#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/pointwise.h>
#include <unroll/optim/clip.h>
#include <unroll/optim/detail/plan.h>

#include <cmath>

namespace unroll::optim {
namespace {

constexpr auto clamp = [](auto x, auto limit) { return minimum(maximum(x, -limit), limit); };

void check_limit(const char* operation, double limit) {
  if (!(limit > 0))
    fail_nowhere(
        operation,
        {.given = "limit " + detail::number_text(limit), .needed = "limit > 0", .hint = {}});
}

}  // namespace

double clip_norm(Gradients& gradients, double limit) {
  check_limit("clip_norm", limit);
  const double norm = gradients.norm();
  if (!std::isfinite(norm))
    fail_nowhere("clip_norm", {.given = "norm " + detail::number_text(norm),
                               .needed = "finite gradients; nothing was changed",
                               .hint = "Tape tape({.check_finite = true}) finds where it began"});
  if (norm > limit) gradients *= limit / norm;
  return norm;
}

void clip_value(Gradients& gradients, double limit) {
  check_limit("clip_value", limit);
  const unroll::detail::RecordingOff off;
  Gradients clipped;
  for (Gradients::Entry entry : gradients) {
    Tensor& values = entry.is_sparse() ? entry.sparse.values : entry.dense;
    values = pointwise<0>(clamp, values, limit);
    clipped.insert(std::move(entry));
  }
  gradients = std::move(clipped);
}

}  // namespace unroll::optim
