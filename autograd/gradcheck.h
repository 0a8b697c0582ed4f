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
  // So many of so many derivatives by this input that were compared are wrong: entries of its
  // Jacobian, or products along directions; of passes compared with each other, of its gradient.
  Index wrong = 1, of = 1;
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
  std::string hooked_;  // the gradient that a hook replaced
};
std::ostream& operator<<(std::ostream& out, const GradcheckReport& report);

namespace detail {
GradcheckReport run_gradcheck(CheckedFunction checked, const GradcheckOptions& options);
}

// Compares the derivatives of a function with differences of its values, in f64: inputs that are
// f32 are converted, i64 ones are ids and only handed over. Every evaluation runs under a tape with
// one fixed key, and with default_rng() at one fixed state; in evaluation mode unless .training. A
// tape of the caller's stays as it is. Parameters are changed in place and are, to the bit, what
// they were when gradcheck returns or throws; other threads must not use the model meanwhile.
//
// Numeric derivatives are central differences at h, h/2, h/4 (and h/8), extrapolated to h = 0
// (Richardson), at the steps h that suit each element; they are good to about 1e-10. An analytic
// value a and a numeric one n agree where
//   |a - n| <= τ = relative · max(|a|, |n|, 0.01 · largest of the input's Jacobian) + trusted error.
// where the trusted error, the differences' own, is as small as the rest if any step allows, and at
// most 100 times that. An f with several numbers, of any shapes, is compared number by number.
//
// A Jacobian J of more than .entries entries is sampled. For each of .directions random d, with
// every element of either sign and of size 0.5 … 1.5 times what is typical of the input, wᵀJd is
// compared for as many random w of such elements, and single rows of J and columns besides. With
// Δ = analytic J - true J, in units of the typical size of an input and of w:
//   one wrong entry is always noticed where |Δ_kj| > 4 τ, however many others there are;
//   any Δ at all passes one direction with probability at most 2 √(τ / max |Δ_kj|), and with
//   probability at most τ / max |Δ_j| where f is one number; so .directions of them with that to
//   the power of .directions.
// Here τ = relative · ‖w ∘ J ∘ d‖₂: an entry of typical size among 10,000 that is wrong by 1e-4 of
// itself is noticed. A direction that fails is halved until one entry is left.
//
// Beside the values: a backward pass made twice gives the same bits, 0 from above gives 0, the pass
// is linear in what comes from above, whether recorded ({.differentiable = true}) or not, with each
// input alone, with views, and in f32 to some ulps. With .order = 2 the gradient is checked as a
// function of the inputs and of what comes from above, and J·v is compared with Jᵀ·w.
//
// Hooks on gradients act as in backward(): what one puts in a gradient's place is compared, and the
// report says that it did.
//
// Throws where there is nothing to check, f depends on none of the inputs or on no parameter of the
// model, a parameter is f32 (hint: model.to(f64)), f returns only i64, NaN, or another shape at a
// later call, or changes a parameter; and what f throws at the point.
//
// Of a function f(x0, x1, …), f(span) or of a model that is called so, whose parameters are checked
// with the inputs.
template <class F>
GradcheckReport gradcheck(const F& f, std::span<const Tensor> inputs,
                          const GradcheckOptions& options = {}) {
  return detail::run_gradcheck(detail::checked_function("gradcheck", f, inputs), options);
}
template <class F>
GradcheckReport gradcheck(const F& f, std::initializer_list<Tensor> inputs,
                          const GradcheckOptions& options = {}) {
  return gradcheck(f, std::span<const Tensor>(inputs.begin(), inputs.size()), options);
}
// Of a function of one state struct, f(state).
template <class F, class State>
requires(std::is_invocable_v<const F&, const State&> && !HasParameters<F> &&
         !std::is_convertible_v<const State&, std::span<const Tensor>>) GradcheckReport
    gradcheck(const F& f, const State& state, const GradcheckOptions& options = {}) {
  return detail::run_gradcheck(detail::checked_function_of_state("gradcheck", f, state), options);
}
// Of every parameter of a model or a ParameterList, which must be f64, with the loss as a callable without arguments.
template <HasParameters Model, class Loss>
requires std::is_invocable_v<const Loss&> GradcheckReport
gradcheck(const Model& model, const Loss& loss, const GradcheckOptions& options = {}) {
  return detail::run_gradcheck(detail::checked_model("gradcheck", model, loss), options);
}
// The same with inputs, a Tensor or a state struct, that are checked too: loss(inputs).
template <HasParameters Model, class State, class Loss>
requires std::is_invocable_v<const Loss&, const State&> GradcheckReport
gradcheck(const Model& model, const State& inputs, const Loss& loss,
          const GradcheckOptions& options = {}) {
  return detail::run_gradcheck(detail::checked_model("gradcheck", model, inputs, loss), options);
}

}  // namespace unroll
