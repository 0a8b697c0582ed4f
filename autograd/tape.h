#pragma once

#include <unroll/autograd/gradients.h>
#include <unroll/autograd/hooks.h>
#include <unroll/autograd/rng.h>
#include <unroll/autograd/tensor.h>

#include <array>
#include <span>
#include <string>
#include <vector>

namespace unroll {

namespace detail {
class Recording;
}
namespace graph {
struct Snapshot;
struct SnapshotOptions;
}  // namespace graph
struct TapeReport;

struct TapeOptions {
  bool training = true;      // dropout and its relatives act
  const Rng* rng = nullptr;  // where the tape's random key comes from; null: default_rng()
  // Stop at the first recorded operation that makes NaN or Inf, or whose derivative does; the error
  // says where, and what it was given. -inf passes where a constant brings it in: a mask.
  bool check_finite = false;
  // For graphs: mean, deviation, least, most and the number of NaN, Inf and 0 of every value and
  // leaf when it is recorded, and seconds of every operation and of its derivative. An operation
  // begins where the one recorded before it ended.
  bool statistics = false;
  bool timings = false;
};

struct BackwardOptions {
  Tensor upstream = {};  // weights of the elements of a loss that has more than one
  bool retain = false;   // keep the tape open for another backward
  // For graphs: the norm of the gradient of every value that the loss depends on, after hooks. A
  // second pass computes it, so that gradients are those without it to the bit.
  bool keep_norms = false;
};

// What gradient() does for an x that y does not depend on.
enum class Unreached { throws, zero };

struct GradientOptions {
  Tensor upstream = {};
  bool differentiable = false;  // record the gradient, so that it can be differentiated itself
  Unreached unreached = Unreached::throws;
};

// While a Tape lives, operations of its thread that depend on a parameter or a watched tensor are
// recorded on it; no tape, no recording. Tapes nest like blocks and only the innermost records. A
// tape is a window of truncated back-propagation: a state carried into the next window is detached.
//
//   Tape tape;
//   auto grads = tape.backward(loss);   // closes the tape
class Tape {
 public:
  [[nodiscard]] Tape();
  [[nodiscard]] explicit Tape(const TapeOptions& options);
  ~Tape() noexcept(false);  // throws where it is not the innermost of this thread
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  // A handle on the values of x (f32 or f64) that is a leaf of this tape; x itself is unchanged.
  Tensor watch(const Tensor& x);

  // Gradients of the loss with respect to every parameter it depends on, or to those given. Closes
  // the tape: its history is freed, and what follows is not recorded. Throws where the loss has
  // more than one element or no history or depends on no parameter (gradient() is for watched
  // tensors), the tape is closed, or a parameter was changed since it was read; then nothing is
  // returned and parameters are as they were. Of `parameters`, those that are frozen or that the
  // loss does not reach are absent from the result; what is no parameter throws.
  [[nodiscard]] Gradients backward(const Tensor& loss);
  [[nodiscard]] Gradients backward(const Tensor& loss, const BackwardOptions& options);
  [[nodiscard]] Gradients backward(const Tensor& loss, std::span<const Tensor> parameters);
  [[nodiscard]] Gradients backward(const Tensor& loss, std::span<const Tensor> parameters,
                                   const BackwardOptions& options);

  // Gradient of y with respect to any tensors recorded or watched on this tape; never closes it.
  [[nodiscard]] Tensor gradient(const Tensor& y, const Tensor& x,
                                const GradientOptions& options = {});
  template <std::size_t N>
  [[nodiscard]] std::array<Tensor, N> gradient(const Tensor& y, const Tensor (&x)[N],
                                               const GradientOptions& options = {}) {
    std::array<Tensor, N> result;
    gradient_into(y, x, options, result);
    return result;
  }
  [[nodiscard]] std::vector<Tensor> gradient(const Tensor& y, std::span<const Tensor> x,
                                             const GradientOptions& options = {}) {
    std::vector<Tensor> result(x.size());
    gradient_into(y, x, options, result);
    return result;
  }

  // Gives the gradient of x to a hook (<unroll/autograd/hooks.h>) once in every later backward() and
  // gradient() of something that depends on x, when it is complete, for as long as the tape is open.
  // That gradient is then computed even where nobody else asks for it; where nothing flows, the hook
  // is not called. Throws where x is neither on this tape nor a parameter.
  void on_gradient(const Tensor& x, GradientHook hook);

  // Until the end of the block, as if there were no tape: no recording, no dropout. Throws unless
  // this is the thread's current tape.
  class Pause {
   public:
    ~Pause();
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    friend class Tape;
    explicit Pause(detail::Recording* recording);
    detail::Recording* recording_;
  };
  [[nodiscard]] Pause pause();

  // A name for a tensor of this tape, shown in graphs.
  void name(const Tensor& x, std::string name);

  bool is_open() const;
  Index nodes() const;  // operations recorded so far

  // The recorded graph as plain data; <unroll/autograd/graph.h>.
  graph::Snapshot snapshot() const;
  graph::Snapshot snapshot(const graph::SnapshotOptions& options) const;

  // How many operations it holds and what memory they cost, by kind, module and time step, before
  // and after backward; <unroll/autograd/tape_report.h>.
  TapeReport report() const;

 private:
  void gradient_into(const Tensor& y, std::span<const Tensor> x, const GradientOptions& options,
                     std::span<Tensor> result);
  Gradients backward_into(const Tensor& loss, std::span<const std::uint32_t> wanted,
                          const BackwardOptions& options);
  void check_loss(const char* operation, const Tensor& loss, const Tensor& upstream) const;
  void check_thread() const;

  detail::Recording* recording_;
};

// Whether dropout acts on this thread now: under a training tape, or under Training.
bool is_training();

// Samples masks as under a training tape, without one, until the end of the block.
class [[nodiscard]] Training {
 public:
  Training();
  ~Training();
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;

 private:
  bool before_;
};

namespace detail {

// The stream of the next random operation: under a tape a function of its key and the operation's
// ordinal, else drawn from default_rng().
Rng next_random_stream();

}  // namespace detail
}  // namespace unroll
