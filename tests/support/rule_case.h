#pragma once

#include <unroll/autograd/gradcheck.h>

#include <string>
#include <vector>

#include "support/made_operation.h"
#include "support/numeric.h"

// Functions with a derivative that is known to be wrong, or known to be right, and what a gradient
// check should say of them.
namespace unroll::test {

// Where a wrong derivative can be seen at all: what an independent check looks at.
enum class Shows {
  nowhere,            // it is right
  gradient,           // differs from differences
  recorded_gradient,  // right as it is, differs where it is itself recorded
  second_order,       // the gradient is right, its gradient is not
  single_precision,   // right in f64
  alone,              // right unless the other inputs are constants
  repeated_value,     // two evaluations at one point differ
  repeated_gradient,  // two gradients at one point differ
  kink,               // differences from the two sides disagree
  precision           // the value has too few digits for differences
};

// Numbers evenly spread over [low, high).
struct Draw {
  Shape shape = {};
  double low = -2;
  double high = 2;
};
using Draws = std::vector<Draw>;

struct RuleCase {
  std::string kind;  // of mistake, or of what makes a right one hard
  std::string name;
  Draws inputs;
  Value call;
  Shows shows = Shows::nowhere;
  std::vector<GradcheckCause> causes = {};  // the expected one
  Index input = 0;                          // where it is wrong; -1: in several
  std::vector<Index> index = {};            // a single entry; empty: in many
  bool training = false;
  double unit = 0;                  // of the independent check's steps; 0: as large as inputs are
  std::function<void()> anew = {};  // forgets what former calls left

  // Everything that was drawn, in f64.
  std::vector<Tensor> point(Rng& rng) const;
  GradcheckCause cause() const { return causes.front(); }
  bool second_order() const { return shows == Shows::second_order; }
  std::string title() const { return kind + ": " + name; }
};
using RuleCases = std::vector<RuleCase>;

// An operation with the rule that belongs to it; mistakes are made by altering that.
struct BaseRule {
  std::string name;
  Draws inputs;
  Value value;
  Rule rule;

  MadeOperation operation() const { return {value, rule}; }
};

// The gradient of one input, changed.
using Alteration = std::function<Tensor(const Tensor& gradient, const Given& given)>;
Rule altered(const Rule& rule, Index input, const Alteration& alteration);

// A wrong case: `base` with another rule.
RuleCase wrong_case(std::string kind, const BaseRule& base, Index input, Rule rule,
                    GradcheckCause cause = GradcheckCause::wrong_derivative);
RuleCase right_case(std::string kind, std::string name, Draws inputs, Value call);

// An independent check, by differences that gradcheck has no part in: empty where the case is what
// it is said to be (really wrong, there and not elsewhere; or right), else what was found instead.
std::string disproof(const RuleCase& c, std::uint64_t seed);

}  // namespace unroll::test
