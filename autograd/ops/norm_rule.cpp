#include <unroll/autograd/ops/activations.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/norm_rule.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/pointwise.h>

#include <sstream>

namespace unroll::detail {

void check_normalised(std::string_view operation, const Tensor& x, Index extent,
                      std::string_view name, const Tensor& operand) {
  if (!operand.defined() || (operand.dtype() == x.dtype() && operand.shape() == Shape{extent}))
    return;
  fail(operation, {.given = std::string(name) + " " + describe(operand) + " for x " + describe(x),
                   .needed = std::string(name_of(x.dtype())) + " " + to_string(Shape{extent}),
                   .hint = {}});
}

void check_epsilon(std::string_view operation, double epsilon) {
  if (epsilon > 0) return;
  std::ostringstream given;
  given << "epsilon " << epsilon;
  fail(operation, {.given = given.str(), .needed = "epsilon > 0", .hint = "{.epsilon = 1e-5}"});
}

Tensor record_normalised(const Operation& operation, const NormRule& rule, const Tensor& x,
                         const Tensor& weight, const Tensor& bias, const Tensor& statistics,
                         Tensor y) {
  std::vector<const Tensor*> inputs{&x};
  std::vector<const Tensor*> saved{&x, &statistics};
  if (rule.weight) {
    inputs.push_back(&weight);
    saved.push_back(&weight);
  }
  if (rule.bias) inputs.push_back(&bias);
  Tensor* const out = &y;
  record(operation, inputs, {&out, 1}, saved, &rule, sizeof rule);
  return y;
}

constexpr auto inverse_root = [](auto v, auto epsilon) { return 1.0 / sqrt(v + epsilon); };

void normalised_derivative(Backward& b, const Tensor& dy, Index axis) {
  const auto& rule = b.attributes<NormRule>();
  const Tensor x = b.saved(0);
  const auto average = [&](const Tensor& v) { return mean(v, axis, {.keepdim = true}); };
  Tensor centred = x;
  if (rule.centred) {
    const Tensor near = x - average(detach(x));
    centred = near - average(near);
  }
  const Tensor scale = pointwise(inverse_root, average(square(centred)), rule.epsilon);
  const Tensor normal = centred * scale;
  const Tensor g = rule.weight ? dy * b.saved(2) : dy;
  const Tensor along = normal * average(g * normal);
  b.add(0, (rule.centred ? g - average(g) - along : g - along) * scale);
  if (rule.weight) b.add(1, dy * normal);
  if (rule.bias) b.add(rule.bias_input(), dy);
}

Tensor total_of(const std::vector<double>& sums, Index n, DType dtype) {
  std::vector<double> total(static_cast<std::size_t>(n), 0.0);
  for (std::size_t i = 0; i < sums.size(); ++i) total[i % static_cast<std::size_t>(n)] += sums[i];
  Tensor y = empty({n}, dtype);
  visit_floating(dtype, [&]<class T>(T) {
    for (Index c = 0; c < n; ++c)
      data<T>(y)[c] = static_cast<T>(total[static_cast<std::size_t>(c)]);
  });
  return y;
}

}  // namespace unroll::detail
