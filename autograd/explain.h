#pragma once

#include <unroll/autograd/detail/checked_call.h>
#include <unroll/autograd/detail/checked_function.h>
#include <unroll/autograd/shape.h>

#include <initializer_list>
#include <iosfwd>
#include <span>
#include <string>
#include <vector>

namespace unroll {

// What explain() found to be wrong.
enum class Fault {
  none,
  rule,               // the derivative rule, however it is run
  adding,             // … where another gradient is there already: it is not added to
  recorded,           // … where the gradient is differentiable itself
  second_order,       // the gradient is right, its own derivative is not
  operand_unknown,    // the result depends on something that is not an operand of the operation
  not_deterministic,  // two runs on the same operands differ, or record different operations
  cut,        // every rule is right; a value that depends on the inputs is read as a constant
  elsewhere,  // every rule is right, the whole is not
};

// Which operation's derivative is wrong, where in a model, and where in its operands and results.
struct Explanation {
  bool found = false;  // an operation is named
  Fault fault = Fault::none;
  std::string operation = {};
  std::string path = {};            // of the module at work; empty: none
  Index step = -1;                  // time step; -1: none
  Index node = -1;                  // its place among the operations of the tape
  std::vector<Shape> inputs = {};   // of the operands, constants among them
  std::vector<Shape> outputs = {};  // and of the results
  Index input = -1;                 // which operand; -1: not one alone
  std::vector<Index> index = {};    // and which of its elements
  Index output = -1;                // which result; -1: a weighted sum of all
  std::vector<Index> output_index = {};
  double analytic = 0;  // derivative of that result with respect to that element
  double numeric = 0;

  Index nodes = 0;          // operations recorded
  Index judged = 0;         // of which so many could be compared with differences
  Index wrong = 0;          // and so many were wrong
  Index at_kinks = 0;       // so many have different derivatives on either side of where they are
  Index runs = 0;           // of the function
  std::string remark = {};  // what else was noticed

  // Several lines: what is wrong and where, what was looked at.
  std::string text() const;
  friend std::ostream& operator<<(std::ostream& out, const Explanation& explanation);
};

struct ExplainOptions {
  int order = 1;            // 2: also the derivatives of the derivative rules
  double relative = 1e-11;  // allowed difference, beside the size of the terms compared
  bool training = false;    // dropout and its relatives act, with one fixed mask
  std::uint64_t seed = 1;   // of directions, weights and masks
};

namespace detail {
Explanation explain(CheckedFunction f, const ExplainOptions& options);
}

// Finds the operation whose derivative is wrong: runs f some twenty times under tapes, moving the
// operands of every operation by known amounts each time, and compares what its results do with
// what its derivative rule says of that operation alone. Takes what gradcheck takes: everything is
// in f64, a model must be; what f draws is the same in every run. A run costs a few times f itself,
// a rule the size of its operands (so time steps selected from one long sequence their square);
// finding the element of a wrong one takes a hundred runs more. Throws what gradcheck throws, and what
// f throws; parameters are left as they were. Hooks on gradients are no part of a rule, but of the
// whole: the remark says that one replaced a gradient.
//   std::cout << explain(model, [&] { return cross_entropy(model(ids), labels); });
template <class F>
Explanation explain(const F& f, std::span<const Tensor> inputs,
                    const ExplainOptions& options = {}) {
  return detail::explain(detail::checked_function("explain", f, inputs), options);
}
template <class F>
Explanation explain(const F& f, std::initializer_list<Tensor> inputs,
                    const ExplainOptions& options = {}) {
  return explain(f, std::span<const Tensor>(inputs.begin(), inputs.size()), options);
}
template <class F, class State>
requires(std::is_invocable_v<const F&, const State&> && !HasParameters<F>) Explanation
    explain(const F& f, const State& state, const ExplainOptions& options = {}) {
  return detail::explain(detail::checked_function_of_state("explain", f, state), options);
}
template <HasParameters Model, class Loss>
requires std::is_invocable_v<const Loss&> Explanation explain(const Model& model, const Loss& loss,
                                                              const ExplainOptions& options = {}) {
  return detail::explain(detail::checked_model("explain", model, loss), options);
}
template <HasParameters Model, class State, class Loss>
requires std::is_invocable_v<const Loss&, const State&> Explanation explain(
    const Model& model, const State& inputs, const Loss& loss, const ExplainOptions& options = {}) {
  return detail::explain(detail::checked_model("explain", model, inputs, loss), options);
}

}  // namespace unroll
