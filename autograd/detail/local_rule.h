#pragma once

#include <unroll/autograd/detail/gradient_pass.h>
#include <unroll/autograd/detail/places.h>

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace unroll::detail {

// How a derivative rule is run.
enum class Rule : std::uint8_t {
  in_place,  // as in backward()
  adding,    // the same, onto gradients that are there already
  recorded,  // as where the gradient is differentiated again
};

// What the rule of one node makes of upstream gradients, undefined ones among them.
struct LocalGradient {
  std::vector<std::uint32_t> operands = {};  // values of the tape, each once
  std::vector<std::vector<double>> gradients = {};
  std::vector<double> rounding = {};  // of each gradient, from what it was added to
};

// A pass through one tape for either way, to be used for one node after the other.
struct RulePasses {
  explicit RulePasses(Recording& tape)
      : in_place(tape, {.differentiable = false, .retain = true}),
        recorded(tape, {.differentiable = true, .retain = true}) {}
  GradientPass& of(Rule rule) { return rule == Rule::recorded ? recorded : in_place; }

  GradientPass in_place;
  GradientPass recorded;
};

// Rows of a table added up into all of it.
std::vector<double> dense_elements(const PassResult& result, const Shape& shape);

LocalGradient local_gradient(GradientPass& pass, std::uint32_t node,
                             std::span<const Tensor> upstream, Rule rule);

// The gradient of Σ weight · (gradients that the recorded rule makes) with respect to operands and
// upstream gradients: what the second order of one operation is.
struct LocalSecondOrder {
  std::vector<std::uint32_t> operands = {};
  std::vector<std::vector<double>> gradients = {};
  std::vector<std::vector<double>> upstream = {};  // of each result
};
LocalSecondOrder local_second_order(
    RulePasses& passes, std::uint32_t node, std::span<const Tensor> upstream,
    const std::function<double(std::uint32_t value, std::size_t element)>& weight);

}  // namespace unroll::detail
