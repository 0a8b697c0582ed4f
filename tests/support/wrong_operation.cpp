#include "support/wrong_operation.h"

#include <unroll/autograd/detail/strided.h>

namespace unroll::test {
namespace {

struct How {
  Wrong wrong;
};

void square_rule(Backward& b) {
  const Wrong wrong = b.attributes<How>().wrong;
  const Tensor x = b.saved(0);
  const Tensor up = b.upstream();
  const bool wrong_here = wrong == Wrong::everywhere ||
                          (wrong == Wrong::when_strided && !detail::is_dense(x)) ||
                          (wrong == Wrong::when_recorded && b.differentiable()) ||
                          (wrong == Wrong::when_in_place && !b.differentiable());
  if (wrong == Wrong::when_added && !b.differentiable()) {
    const detail::Destination to = b.destination(0);
    detail::copy_elements(up * x * 2.0, to.buffer);
  } else if (wrong == Wrong::one_element) {
    std::vector<double> factor(static_cast<std::size_t>(x.size()), 2.0);
    factor.back() *= 1.001;
    b.add(0, up * x * from(std::span<const double>(factor), x.shape()));
  } else if (wrong == Wrong::in_second_order) {
    b.add(0, up * detach(x) * 2.0);
  } else {
    b.add(0, up * x * (wrong_here ? 2.0002 : 2.0));
  }
}
constexpr Operation square_op{.name = "wrong_square", .derivative = square_rule};

struct Which {
  Index wrong;
};
void sin_cos_rule(Backward& b) {
  const Index wrong = b.attributes<Which>().wrong;
  const Tensor x = b.saved(0);
  const bool wrong_here = wrong == 0 || (wrong == 2 && !b.upstream(1).defined());
  if (b.upstream(0).defined()) b.add(0, b.upstream(0) * cos(x) * (wrong_here ? 1.5 : 1.0));
  if (b.upstream(1).defined()) b.add(0, b.upstream(1) * sin(x) * (wrong == 1 ? 1.0 : -1.0));
}
constexpr Operation sin_cos_op{.name = "wrong_sin_cos", .derivative = sin_cos_rule};

struct Swapped {
  bool wrong;
};
void sum_rule(Backward& b) {
  const bool wrong = b.attributes<Swapped>().wrong;
  b.add(0, b.upstream());
  b.add(1, b.upstream() * (wrong ? 1.0 : 2.0));
}
constexpr Operation sum_op{.name = "wrong_sum", .derivative = sum_rule};

void relu_rule(Backward& b) { b.add(0, where(b.saved(0) > 0.0, b.upstream() * 2.0, 0.0)); }
constexpr Operation relu_op{.name = "wrong_slope_of_relu", .derivative = relu_rule};

void hidden_rule(Backward& b) { b.add(0, b.upstream() * b.saved(0)); }
constexpr Operation hidden_op{.name = "hidden_product", .derivative = hidden_rule};

}  // namespace

Tensor wrong_square(const Tensor& x, Wrong wrong) {
  return detail::record(square_op, {&x}, detach(x) * detach(x), {&x}, How{wrong});
}

std::array<Tensor, 2> wrong_sin_cos(const Tensor& x, Index which) {
  std::array<Tensor, 2> results{sin(detach(x)), cos(detach(x))};
  const Tensor* const in = &x;
  Tensor* const out[] = {&results[0], &results[1]};
  const Which attributes{which};
  detail::record(sin_cos_op, {&in, 1}, out, {&in, 1}, &attributes, sizeof attributes);
  return results;
}

Tensor wrong_sum(const Tensor& a, const Tensor& b, bool wrong) {
  return detail::record(sum_op, {&a, &b}, detach(a) + detach(b) * 2.0, {}, Swapped{wrong});
}

Tensor wrong_slope_of_relu(const Tensor& x) {
  return detail::record(relu_op, {&x}, relu(detach(x)), {&x});
}

Tensor hidden_product(const Tensor& x, const Tensor& factor) {
  const Tensor hidden = detach(factor);
  return detail::record(hidden_op, {&x}, detach(x) * hidden, {&hidden});
}

}  // namespace unroll::test
