#pragma once

#include <unroll/autograd/detail/checked_call.h>
#include <unroll/autograd/detail/checked_function.h>
#include <unroll/autograd/parameter_list.h>
#include <unroll/autograd/state.h>
#include <unroll/autograd/tensor.h>

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace unroll {

namespace detail {
class Gradcheck;
}

// Why analytic and numeric derivatives differ, as far as the sweep over step sizes tells.
enum class GradcheckCause {
  wrong_derivative,   // differences agree with each other over many steps, and not with the rule
  kink,               // one-sided differences disagree however small the step
  precision,          // no step gives differences good enough to judge
  not_deterministic,  // two evaluations, or two backward passes, at one point differ
  unrelated,          // f changes with nothing that was perturbed although it claims a gradient
  missing,            // the analytic gradient is 0 or was not made, the numeric one is not
  counted_twice       // the analytic gradient is 2 or 3 times the numeric one
};
std::string_view name_of(GradcheckCause cause);  // "wrong derivative"

struct GradcheckOptions {
  int order = 1;                 // 2: also the gradient of the gradient
  double relative = 1e-7;        // allowed difference beside the size of what is compared
  bool training = false;         // dropout and its relatives act, with one fixed mask
  bool all = false;              // every entry of every Jacobian, however large
  Index entries = 4096;          // a Jacobian of at most so many is checked whole
  Index directions = 8;          // of a larger one: so many random directions, and
  Index rows = 8;                // so many rows and columns, chosen at random
  bool single_precision = true;  // backward in f32 against f64, in ulps; of functions of tensors
  std::uint64_t seed = 1;        // of directions, upstream gradients and masks
  std::function<void(double)> progress = {};  // given the fraction that is done
};

// One line of the table in a report: the central difference at a step.
struct GradcheckSweep {
  double step = 0, numeric = 0;
  double error = 0;  // relative, of the analytic value beside this
};

struct GradcheckFinding {
  std::string check = {};  // "gradient", "second order", "repeat", "zero upstream", "linearity", …
  std::string input = {};          // "input 0", "encoder.lstm.0.forward.Wh", "state.forward[0].h"
  Shape shape = {};                // of the input
  std::vector<Index> index = {};   // in the input; empty: a direction that could not be narrowed
  Index result = 0, results = 1;   // of several tensors that f returns: which, of how many
  std::vector<Index> output = {};  // which element of it; empty: one number, or a weighted sum
  Index step = -1;                 // time step of the first wrong operation, where it is known
  double analytic = 0, numeric = 0, relative_error = 0;
  Index wrong = 1, of = 1;  // so many of so many entries of this input are wrong
  std::vector<GradcheckSweep> sweep = {};
  GradcheckCause cause = GradcheckCause::wrong_derivative;
  std::string note = {};  // of checks other than "gradient": what was compared
  std::string text() const;
};

// What a gradient check found. Converts explicitly to bool and prints, so that
// BOOST_TEST(report.ok(), report) says what is wrong.
class GradcheckReport {
 public:
  bool ok() const { return findings_.empty(); }
  explicit operator bool() const { return ok(); }
  const std::vector<GradcheckFinding>& findings() const { return findings_; }
  // Largest relative difference of what was judged and passed or failed, of derivatives of an order.
  double worst(int order = 1) const { return order == 2 ? worst_second_ : worst_first_; }
  Index evaluations() const { return evaluations_; }  // calls of f
  Index compared() const { return compared_; }        // numbers that were judged
  // Which operation is wrong first; empty where all is well, or none could be made out.
  const std::string& explanation() const { return explanation_; }
  std::string text() const;
  friend std::ostream& operator<<(std::ostream& out, const GradcheckReport& report);

 private:
  friend class detail::Gradcheck;
  std::vector<GradcheckFinding> findings_;
  double worst_first_ = 0, worst_second_ = 0;
  Index evaluations_ = 0, compared_ = 0;
  Index inputs_ = 0, sampled_ = 0;
  std::string explanation_;
};
std::ostream& operator<<(std::ostream& out, const GradcheckReport& report);

namespace detail {
GradcheckReport run_gradcheck(CheckedFunction checked, const GradcheckOptions& options);
}

// Of a function f(x0, x1, …), f(span) or of a model that is called so, whose parameters are checked
// with the inputs.
template <class F>
GradcheckReport gradcheck(const F& f, std::span<const Tensor> inputs,
                          const GradcheckOptions& options = {}) {
  return detail::run_gradcheck(detail::checked_function(f, inputs), options);
}
template <class F>
GradcheckReport gradcheck(const F& f, std::initializer_list<Tensor> inputs,
                          const GradcheckOptions& options = {}) {
  return gradcheck(f, std::span<const Tensor>(inputs.begin(), inputs.size()), options);
}
// Of a function of one state struct, f(state).
template <class F, class State>
requires(std::is_invocable_v<const F&, const State&> && !HasParameters<F>) GradcheckReport
    gradcheck(const F& f, const State& state, const GradcheckOptions& options = {}) {
  return detail::run_gradcheck(detail::checked_function_of_state(f, state), options);
}
// Of every parameter of a model, which must be f64, with the loss as a callable without arguments.
template <HasParameters Model, class Loss>
requires std::is_invocable_v<const Loss&> GradcheckReport
gradcheck(const Model& model, const Loss& loss, const GradcheckOptions& options = {}) {
  return detail::run_gradcheck(detail::checked_model(model, loss), options);
}
// The same with inputs, a Tensor or a state struct, that are checked too: loss(inputs).
template <HasParameters Model, class State, class Loss>
requires std::is_invocable_v<const Loss&, const State&> GradcheckReport
gradcheck(const Model& model, const State& inputs, const Loss& loss,
          const GradcheckOptions& options = {}) {
  return detail::run_gradcheck(detail::checked_model(model, inputs, loss), options);
}

}  // namespace unroll
