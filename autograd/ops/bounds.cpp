#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/bounds.h>
#include <unroll/autograd/ops/check_rows.h>
#include <unroll/autograd/pointwise.h>

namespace unroll {
namespace {

using check::unary;

constexpr auto between = [](ClampOptions b) {
  return [b](auto x) { return where(x < b.low, b.low, where(x > b.high, b.high, x)); };
};
const Pointwise clamp_op{
    {.name = "clamp",
     .check =
         [] {
           return unary([](auto& x) { return clamp(x, {.low = -0.7, .high = 1.1}); },
                        {.avoid = {-0.7, 1.1}});
         },
     .formula = "min(max(x, low), high); dx = dy where low ≤ x ≤ high or x is NaN, else 0"},
    between({})};

// Two operands that are nowhere close to each other, also where both are one tensor.
Check pair(Tensor (*f)(const Tensor&, const Tensor&)) {
  const auto apart = [f](std::span<const Tensor> in) { return f(in[0], in[1] * 3.0 + 0.1); };
  return {.cases = {{.name = "first larger",
                     .inputs = {{.low = 0.2, .high = 2}, {.low = -2, .high = -0.2}},
                     .call = apart},
                    {.name = "second larger",
                     .inputs = {{.low = -2, .high = 0}, {.low = 0.2, .high = 2}},
                     .call = apart}},
          .elementwise = true};
}

const Pointwise maximum_op{{.name = "maximum",
                            .check = [] { return pair(maximum); },
                            .formula = "x ≥ y ? x : y; the gradient goes to the one taken: of "
                                       "equals x, ±0 among them, of a number "
                                       "and NaN the NaN"},
                           [](auto x, auto y) { return maximum(x, y); }};
const Pointwise minimum_op{{.name = "minimum",
                            .check = [] { return pair(minimum); },
                            .formula = "x ≤ y ? x : y; the gradient goes to the one taken: of "
                                       "equals x, ±0 among them, of a number "
                                       "and NaN the NaN"},
                           [](auto x, auto y) { return minimum(x, y); }};

constexpr auto at_least = [](double k) { return [k](auto x) { return maximum(x, k); }; };
constexpr auto at_most = [](double k) { return [k](auto x) { return minimum(x, k); }; };
const Pointwise maximum_number_op{
    {.name = "maximum_number",
     .check = [] { return unary([](auto& x) { return maximum(x, 0.3); }, {.avoid = {0.3}}); },
     .formula = "x ≥ k ? x : k; dx = dy where x ≥ k or x is NaN, else 0"},
    at_least(0)};
const Pointwise minimum_number_op{
    {.name = "minimum_number",
     .check = [] { return unary([](auto& x) { return minimum(0.3, x); }, {.avoid = {0.3}}); },
     .formula = "x ≤ k ? x : k; dx = dy where x ≤ k or x is NaN, else 0"},
    at_most(0)};

}  // namespace

Tensor clamp(const Tensor& x, const ClampOptions& options) {
  if (!(options.low <= options.high))
    fail("clamp", {.given = "low " + std::to_string(options.low) + " and high " +
                            std::to_string(options.high),
                   .needed = "low <= high",
                   .hint = "clamp(x, {.low = -1, .high = 1})"});
  return clamp_op.with(between(options), x);
}

Tensor maximum(const Tensor& x, const Tensor& y) { return maximum_op(x, y); }
Tensor minimum(const Tensor& x, const Tensor& y) { return minimum_op(x, y); }
Tensor maximum(const Tensor& x, double y) { return maximum_number_op.with(at_least(y), x); }
Tensor minimum(const Tensor& x, double y) { return minimum_number_op.with(at_most(y), x); }

}  // namespace unroll
