#pragma once

#include <unroll/autograd/tensor.h>

#include <array>
#include <limits>
#include <span>
#include <string_view>

namespace unroll::optim::detail {

// How a parameter p, its gradient g and its moments become the next ones, element by element: the
// formulas stand where they are computed, in rules.h. First of all, in any rule,
//   g = clamp(scale · g, -limit, limit) + decay · p.
enum class Rule {
  plain,
  momentum,
  adam,
  amsgrad,
  nadam,
  adamax,
  rmsprop,
  rmsprop_centred,
  rmsprop_momentum,
  rmsprop_centred_momentum,
  adagrad,
  adadelta,
  lion
};

struct Update {
  double rate = 0;
  double scale = 1;
  double limit = std::numeric_limits<double>::infinity();
  double decay = 0;
  double beta1 = 0;
  double beta2 = 0;
  double intake = 1;  // of the gradient, into a momentum
  double of_gradient = 0;
  double of_first = 1;
  double keep = 1;
  double root = 1;
  double epsilon = 0;
};

constexpr Index most_moments = 3;

// What a parameter's moments are called where they are saved; as many as the rule has.
std::span<const std::string_view> moment_names(Rule rule);
// Whether the rule squares gradients, which overflow long before they do.
bool squares(Rule rule);

// The update of one parameter. The gradient is dense, or holds the rows `ids` of a table; then
// either only these rows are updated, or all, the others with a gradient of zero.
struct Job {
  Rule rule = Rule::plain;
  Update update = {};
  Tensor parameter = {};
  Tensor gradient = {};  // dense elements, of the parameter's dtype
  std::array<Tensor, most_moments> moments = {};
  std::span<const Index> ids = {};
  bool sparse = false;
  bool all_rows = true;
};

// One pass over memory for all of them, on all threads; the same bits on any number.
void run(std::span<const Job> jobs);

}  // namespace unroll::optim::detail
