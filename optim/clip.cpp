#include <unroll/autograd/detail/finite.h>
#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/ops/arithmetic.h>
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

// The norm; throws, naming the parameter, where it is not finite.
double finite_norm(const char* operation, const Gradients& gradients) {
  const double norm = gradients.norm();
  if (std::isfinite(norm)) return norm;
  std::string given = "norm of finite gradients is beyond the range of f64";
  for (const Gradients::Entry& entry : gradients) {
    const Tensor& values = entry.is_sparse() ? entry.sparse.values : entry.dense;
    const unroll::detail::NonFinite found = unroll::detail::find_non_finite(values);
    if (found.first < 0) continue;
    given = "gradient of " + entry.path + " " + describe(values) +
            (entry.is_sparse() ? " of some rows" : "") + " has " +
            unroll::detail::describe(found, values.shape());
    break;
  }
  fail_nowhere(operation, {.given = given,
                           .needed = "finite values; nothing was changed",
                           .hint = "Tape tape({.check_finite = true}) finds where it began"});
}

}  // namespace

Tensor detail::scaled(const Tensor& values, double factor) {
  const unroll::detail::RecordingOff off;
  return values * factor;
}

double clip_norm(Gradients& gradients, double limit) {
  check_limit("clip_norm", limit);
  const double norm = finite_norm("clip_norm", gradients);
  if (norm <= limit) return norm;
  Gradients clipped = gradients;
  double factor = limit / norm;
  for (; factor < detail::least_factor; factor /= detail::least_factor)
    clipped *= detail::least_factor;
  clipped *= factor;
  gradients = std::move(clipped);
  return norm;
}

void clip_value(Gradients& gradients, double limit) {
  check_limit("clip_value", limit);
  static_cast<void>(finite_norm("clip_value", gradients));
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
