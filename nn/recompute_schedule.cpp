#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/detail/row_blocks.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/ops/views.h>
#include <unroll/nn/recompute_schedule.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace unroll::nn::detail {
namespace {

Index rounded_up(Index n, Index unit) { return (n + unit - 1) / unit * unit; }

}  // namespace

Index steps_of_block(Index batch) {
  return std::max<Index>(1, unroll::detail::rows_at_once / std::max<Index>(1, batch));
}

void RecomputeChoice::check() const {
  if (every < 0 || bytes < 0 || (every > 0 && bytes > 0))
    fail_nowhere(kind, {.given = "recompute_every is " + std::to_string(every) +
                                 " and recompute_bytes is " + std::to_string(bytes),
                        .needed = "one of them, > 0, or none",
                        .hint = ".recompute_every = 64"});
}

bool keeps_for_gradient() { return unroll::detail::tapes.current != nullptr; }

Index saved_bytes() {
  const unroll::detail::Recording& tape = *unroll::detail::tapes.current;
  return unroll::detail::live_bytes_of_thread() - tape.arena_bytes() - tape.padded_weights.bytes();
}

Tensor time_steps(const Tensor& sequence, Index first, Index count) {
  if (count == sequence.size(0)) return sequence;
  return slice(sequence, {.axis = 0, .from = first, .to = first + count});
}

// With s bytes for each state between segments and b for each step of one, a segment of k steps and
// r runs of T steps take r T s / k + k b: least at k = √(r T s / b).
Segments choose_segments(const RecomputeChoice& choice, Index steps, Index block, Index runs,
                         const BlockBytes& bytes) {
  if (choice.every > 0) return {steps, rounded_up(choice.every, block), 0};
  if (choice.bytes == 0) return {steps, std::max<Index>(1, steps), 1};
  const double each = static_cast<double>(bytes.saved) / static_cast<double>(bytes.steps);
  const double whole = each * static_cast<double>(steps * runs);
  const auto budget = static_cast<double>(choice.bytes);
  if (whole <= budget) return {steps, std::max<Index>(1, steps), 1};
  const auto taken = [&](Index length) {
    const Index segments = (steps + length - 1) / length;
    return static_cast<double>(runs * segments * bytes.state) + each * static_cast<double>(length);
  };
  const double best =
      std::sqrt(static_cast<double>(runs * steps) * static_cast<double>(bytes.state) / each);
  const Index above = rounded_up(std::max<Index>(1, static_cast<Index>(std::ceil(best))), block);
  const Index below = std::max(block, above - block);
  const Index length =
      std::min(std::max<Index>(1, steps), taken(below) <= taken(above) ? below : above);
  const double least = taken(length);
  if (least > budget)
    fail_nowhere(choice.kind,
                 {.given = "recompute_bytes is " + std::to_string(choice.bytes) + " for " +
                           std::to_string(steps) + " steps",
                  .needed = "at least " + std::to_string(static_cast<Index>(std::ceil(least))) +
                            ", with segments of " + std::to_string(length) + " steps",
                  .hint = "shorter windows, or a smaller batch"});
  // What is left keeps some segments of each run, so that they need not be computed twice.
  const auto kept =
      static_cast<Index>((budget - least) / (each * static_cast<double>(length * runs)));
  return {steps, length, kept};
}

}  // namespace unroll::nn::detail
