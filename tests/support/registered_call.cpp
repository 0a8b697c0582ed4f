#include "support/registered_call.h"

#include <algorithm>
#include <utility>

#include "support/numeric.h"

namespace unroll::test {
namespace {

// The widest stretch of what an operand may be that has no kink.
std::pair<double, double> smooth_range(const CheckInput& input) {
  constexpr double margin = 0.1;
  std::vector<double> ends{input.low};
  for (const double kink : input.avoid)
    if (kink > input.low && kink < input.high) ends.push_back(kink);
  ends.push_back(input.high);
  std::sort(ends.begin(), ends.end());
  std::size_t widest = 0;
  for (std::size_t k = 1; k + 1 < ends.size(); ++k)
    if (ends[k + 1] - ends[k] > ends[widest + 1] - ends[widest]) widest = k;
  return {ends[widest] + (widest == 0 ? 0 : margin),
          ends[widest + 1] - (widest + 2 == ends.size() ? 0 : margin)};
}

// An operand of the shape given, smoothly made of x, where the check row wants it.
Tensor operand(const CheckInput& input, const Shape& shape, const Tensor& constant, Tensor x) {
  if (input.ids > 0) return constant;
  if (x.shape() != shape) {
    if (x.rank() != 1) x = reshape(x, {x.size()});
    if (x.size() != shape.size()) x = slice(x, {.to = shape.size()});
    x = reshape(x, shape);
  }
  if (input.spaced) {
    const double gap =
        (input.high - input.low) / static_cast<double>(std::max<Index>(1, shape.size()));
    return constant + tanh(x) * (0.2 * gap);
  }
  const auto [low, high] = smooth_range(input);
  if (low <= -2 && high >= 2) return x;  // as values of a program are
  return tanh(x) * (0.49 * (high - low)) + 0.5 * (low + high);
}

}  // namespace

Tensor RegisteredCall::operator()(std::span<const Tensor> values) const {
  std::vector<Tensor> operands;
  for (std::size_t k = 0; k < values.size(); ++k)
    operands.push_back(operand(check_case->inputs[k], shapes[k], constants[k], values[k]));
  return check_case->call(operands);
}

const std::vector<RegisteredCheck>& registered_checks() {
  static const std::vector<RegisteredCheck> all = [] {
    std::vector<RegisteredCheck> found;
    for (const Operation* operation : registered_operations()) {
      if (operation->check == nullptr) continue;
      Check check = operation->check();
      if (check.second_order && !check.cases.empty())
        found.push_back({operation->name, std::move(check)});
    }
    return found;
  }();
  return all;
}

}  // namespace unroll::test
