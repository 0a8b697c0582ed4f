#pragma once

#include <unroll/autograd/gradients.h>
#include <unroll/autograd/parameter_list.h>
#include <unroll/optim/state.h>

#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace unroll::optim {

enum class LineSearch { strong_wolfe, none };

struct LBFGSOptions {
  double lr = 1;                     // length of the first trial along a direction
  Index iterations = 20;             // of a step, at most
  Index evaluations = 0;             // of a step, at most; 0: iterations · 5 / 4
  Index history = 10;                // pairs of differences
  double gradient_tolerance = 1e-7;  // ends a step where no element of the gradient is larger
  double change_tolerance = 1e-9;    // … where nothing moves by more, nor the loss
  LineSearch line_search = LineSearch::strong_wolfe;
};

// What the function given to L-BFGS returns, at the parameters as they are.
struct Evaluation {
  double loss = 0;
  Gradients gradients = {};
};

struct LBFGSResult {
  double first_loss = 0;
  double loss = 0;  // at the parameters as they are now
  Index iterations = 0;
  Index evaluations = 0;
  bool converged = false;  // by one of the tolerances
};

// Limited-memory BFGS (Liu and Nocedal 1989), for losses without noise:
//   optim::LBFGS lbfgs(model.parameters());
//   auto result = lbfgs.step([&] {
//     Tape tape;
//     Tensor loss = mse(model(x), y);
//     return optim::Evaluation{.loss = loss.item(), .gradients = tape.backward(loss)};
//   });
// A step is several iterations: a direction from the last `history` pairs of differences (two
// loops; the matrix between them s·y / y·y), the first time the gradient divided by the sum of its
// elements' sizes, then a search along it for the strong conditions of Wolfe (sufficient decrease
// 1e-4, slope 0.9) by bracketing and safeguarded cubic interpolation (Nocedal and Wright 2006,
// algorithms 3.5 and 3.6), or, with `none`, all of lr along it. A trial where the loss or its
// gradient is not finite is too far.
//
// All arithmetic but the loss's is in f64: memory about (2 · history + 10) · 8 bytes per element.
// There is one group. Row-sparse gradients are made dense, a parameter without a gradient has one
// of zero, frozen parameters are left out; freezing or unfreezing one forgets the pairs.
class LBFGS {
 public:
  using Options = LBFGSOptions;
  using Closure = std::function<Evaluation()>;

  // Throws where a tensor is no parameter or there twice, or an option is out of its range.
  explicit LBFGS(std::span<const Tensor> parameters, const LBFGSOptions& options = {});
  LBFGS(const LBFGS&) = delete;
  LBFGS& operator=(const LBFGS&) = delete;

  // All or nothing: throws where the loss or a gradient is not finite to begin with, where a
  // gradient does not fit or a parameter has changed its dtype, and whatever the closure throws;
  // the parameters are then as they were before, to the bit.
  LBFGSResult step(const Closure& closure);

  double lr() const { return lr_; }
  void set_lr(double lr);
  Index steps() const { return steps_; }
  bool holds(const Tensor& parameter) const;

  // As those of Optimizer: with them a run goes on to the bit.
  std::vector<StateEntry> state() const;
  void restore(std::span<const StateEntry> entries);
  std::string describe() const;

 private:
  using Vector = std::vector<double>;
  struct Pair {
    Vector s = {}, y = {};
    double curvature = 0;  // s·y
  };
  struct Memory {
    std::vector<bool> frozen = {};  // parameters that the rest is without
    std::deque<std::shared_ptr<const Pair>> pairs = {};
    Vector step = {};      // of the last iteration; empty: none
    Vector gradient = {};  // where it began
    bool started = false;
  };
  class Restore;

  void check_parameters() const;
  [[noreturn]] void refuse(const Evaluation& evaluation) const;
  Vector values() const;
  Vector gathered(const Gradients& gradients) const;
  void write(const Vector& x);
  void remember(const Vector& gradient);
  Vector direction(const Vector& gradient) const;

  LBFGSOptions options_;
  double lr_;
  Index steps_ = 0;
  std::vector<Tensor> parameters_;
  Index elements_ = 0;
  Memory memory_;
};

}  // namespace unroll::optim
