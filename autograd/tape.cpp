#include <unroll/autograd/detail/measurements.h>
#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/tape.h>

#include <exception>
#include <utility>

namespace unroll {
namespace {

using detail::Recording;
using detail::tapes;

constinit thread_local bool training_without_tape = false;

}  // namespace

Tape::Tape() : Tape(TapeOptions{}) {}

Tape::Tape(const TapeOptions& options) : recording_(detail::begin_recording()) {
  recording_->training = options.training;
  recording_->check_finite = options.check_finite;
  try {
    if (options.statistics || options.timings)
      recording_->measure(options.statistics, options.timings);
  } catch (...) {
    detail::end_recording(recording_);
    throw;
  }
  recording_->random_key = 0;
  if (options.rng != nullptr)
    recording_->random_key = Rng(*options.rng).next();
  else if (options.training)
    recording_->random_key = default_rng().next();
}

Tape::~Tape() noexcept(false) {
  if (recording_ == tapes.top) {
    detail::end_recording(recording_);
    return;
  }
  const std::uint64_t serial = recording_->serial;
  const bool here = recording_->thread == std::this_thread::get_id();
  const std::string innermost =
      tapes.top != nullptr ? "tape " + std::to_string(tapes.top->serial) : "no tape";
  if (here) {
    Recording** link = &tapes.top;
    while (*link != recording_) link = &(*link)->outer;
    Recording* const inner = tapes.top;
    *link = recording_->outer;
    detail::end_recording(recording_, inner);
  }
  if (std::uncaught_exceptions() == 0)
    fail_nowhere("tape", {.given = "tape " + std::to_string(serial) +
                                   (here ? " ended while " : " ended on a thread where ") +
                                   innermost + " is the innermost",
                          .needed = "tapes that end in reverse order, on their own thread",
                          .hint = "a Tape is a local variable"});
}

void Tape::check_thread() const {
  if (recording_->thread != std::this_thread::get_id())
    fail_nowhere("tape", {.given = "a tape used on another thread than the one it was made on",
                          .needed = "its own thread",
                          .hint = "one Tape per thread"});
}

Tensor Tape::watch(const Tensor& x) {
  check_thread();
  detail::require_defined("watch", "x", x);
  if (!is_floating(x.dtype()))
    fail("watch", {.given = "x " + describe(x),
                   .needed = "f32 or f64",
                   .hint = "whole numbers have no derivative; tensor({1.0, 2.0}) is f32"});
  if (!recording_->open)
    fail("watch", {.given = "a tape that is closed",
                   .needed = "an open tape",
                   .hint = "one Tape per window"});
  if (recording_->recomputed.running())
    fail("watch", {.given = "a tensor inside recompute",
                   .needed = "watched before, and given to recompute as an input",
                   .hint = "recompute(f, tape.watch(x))"});
  Tensor handle = detach(x);
  handle.header()->tape = recording_->serial;
  handle.header()->value = recording_->add_leaf(handle.header(), false);
  if (recording_->measurements != nullptr)
    recording_->measurements->entered(handle.header()->value, handle);
  return handle;
}

void Tape::on_gradient(const Tensor& x, GradientHook hook) {
  check_thread();
  detail::require_defined("on_gradient", "x", x);
  if (!recording_->open)
    fail("on_gradient", {.given = "a tape that is closed",
                         .needed = "an open tape",
                         .hint = "hooks come before backward"});
  detail::hook_value(*recording_, x, std::move(hook));
}

Tape::Pause::Pause(Recording* recording) : recording_(recording) {
  ++recording_->paused;
  tapes.refresh();
}

Tape::Pause::~Pause() {
  --recording_->paused;
  tapes.refresh();
}

Tape::Pause Tape::pause() {
  if (recording_ != tapes.top)
    fail_nowhere("pause", {.given = "an outer tape, or one of another thread",
                           .needed = "this thread's innermost tape",
                           .hint = {}});
  return Pause(recording_);
}

void Tape::name(const Tensor& x, std::string name) {
  check_thread();
  detail::require_defined("name", "x", x);
  if (x.header()->tape != recording_->serial)
    fail_nowhere("name", {.given = "x " + describe(x) + " is not on this tape",
                          .needed = "a tensor recorded on it",
                          .hint = {}});
  recording_->names[x.header()->value] = std::move(name);
}

bool Tape::is_open() const { return recording_->open; }

Index Tape::nodes() const { return std::ssize(recording_->nodes); }

bool is_training() {
  return tapes.current != nullptr ? tapes.current->training : training_without_tape;
}

Training::Training() : before_(std::exchange(training_without_tape, true)) {}
Training::~Training() { training_without_tape = before_; }

namespace detail {

Rng next_random_stream() {
  Recording* tape = tapes.current;
  if (tape == nullptr) return Rng(default_rng().next());
  Rng stream;
  stream.key = tape->random_key;
  stream.counter = tape->random_operations++;
  return stream;
}

}  // namespace detail
}  // namespace unroll
