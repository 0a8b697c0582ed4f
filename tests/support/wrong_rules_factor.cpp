#include "support/base_rules.h"
#include "support/wrong_rules.h"

namespace unroll::test {
namespace {

RuleCase scaled(const BaseRule& b, Index input, double by, const std::string& kind,
                GradcheckCause cause = GradcheckCause::wrong_derivative) {
  return wrong_case(kind, b, input,
                    altered(b.rule, input, [by](const Tensor& g, const Given&) { return g * by; }),
                    cause);
}

RuleCase without(const BaseRule& b, Index input) {
  return wrong_case("input without a gradient", b, input,
                    altered(b.rule, input, [](const Tensor&, const Given&) { return Tensor(); }),
                    GradcheckCause::missing);
}

// One entry of the gradient of input 0, `by` times as large.
RuleCase one_entry(const BaseRule& b, std::vector<Index> index, double by,
                   const std::string& kind) {
  const Shape shape = b.inputs[0].shape;
  std::vector<double> factors(static_cast<std::size_t>(shape.size()), 1.0);
  Index position = 0;
  for (std::size_t i = 0; i < index.size(); ++i)
    position = position * shape[static_cast<Index>(i)] + index[i];
  factors[static_cast<std::size_t>(position)] = by;
  const Tensor mask = from(std::span<const double>(factors), shape);
  RuleCase c = wrong_case(
      kind, b, 0,
      altered(b.rule, 0, [mask](const Tensor& g, const Given&) { return g * mask.to(g.dtype()); }),
      by == 0 ? GradcheckCause::missing : GradcheckCause::wrong_derivative);
  c.name += ", [" + std::to_string(index[0]) +
            (index.size() > 1 ? ", " + std::to_string(index[1]) : "") + "]";
  c.index = std::move(index);
  return c;
}

// x·W for a constant vector, with respect to W [n, n].
BaseRule product_of(Index n) {
  Rng rng(6);
  const Tensor x = uniform({1, n}, 0.5, 2, rng, f64);
  return {.name = "x·W",
          .inputs = {{{n, n}, -1, 1}},
          .value = [x](std::span<const Tensor> in) { return matmul(x.to(in[0].dtype()), in[0]); },
          .rule = [x](const Given& d) -> std::vector<Tensor> {
            return {matmul(transpose(x.to(d.dy().dtype()), 0, 1), d.dy())};
          }};
}

// tanh, of which one element's gradient also gets a bit of another's.
RuleCase leak(const Shape& shape, Index to, Index from_element, double how_much) {
  const BaseRule b = base::tanh(shape);
  RuleCase c = wrong_case("one entry of a Jacobian of 10,000", b, 0,
                          altered(b.rule, 0, [=](const Tensor& g, const Given& d) {
                            const Tensor all = reshape(d.dy(), {shape.size()});
                            const Tensor at = one_hot(tensor({to}), shape.size(), g.dtype());
                            return g + reshape(at * select(all, 0, from_element) * how_much, shape);
                          }));
  c.name += ", element " + std::to_string(from_element) + " leaks";
  c.index = {to / shape[1], to % shape[1]};
  return c;
}

// An input that a function written with operations cuts off.
RuleCase detached(std::string name, Draws inputs, Index input, Value call) {
  RuleCase c =
      right_case("detach where none belongs", std::move(name), std::move(inputs), std::move(call));
  c.shows = Shows::gradient;
  c.causes = {GradcheckCause::missing};
  c.input = input;
  return c;
}

}  // namespace

RuleCases wrong_by_a_factor() {
  using namespace base;
  RuleCases all;
  const auto times = [&all](const BaseRule& b, Index input, double by, const char* kind) {
    all.push_back(scaled(b, input, by, kind));
  };
  const char* const kind = "scaled by 1.0001";
  times(tanh(), 0, 1.0001, kind);
  times(sigmoid(), 0, 1.0001, kind);
  times(mul(), 0, 1.0001, kind);
  times(mul(), 1, 1.0001, kind);
  times(matmul(), 1, 1.0001, kind);
  times(affine(), 2, 1.0001, kind);
  times(softmax(), 0, 1.0001, kind);
  times(layer_norm(), 1, 1.0001, kind);
  times(logsumexp(), 0, 1.0001, kind);
  times(cross_entropy(), 0, 1.0001, kind);
  times(lstm_step(), 2, 1.0001, kind);
  times(recurrent(), 1, 1.0001, kind);
  times(attention(), 1, 1.0001, kind);
  times(exp(), 0, 0.9999, "scaled by 0.9999");
  times(div(), 1, 0.9999, "scaled by 0.9999");
  times(sum(), 0, 0.9999, "scaled by 0.9999");
  times(cumsum(), 0, 0.9999, "scaled by 0.9999");
  times(gru_step(), 1, 1.001, "scaled by 1.001");
  times(matmul(), 0, 1.001, "scaled by 1.001");
  times(mean(), 0, 1.001, "scaled by 1.001");
  times(softplus(), 0, 1.000003, "scaled by 1.000003");
  times(attention(), 2, 1.000003, "scaled by 1.000003");
  times(rows(), 0, 1.000003, "scaled by 1.000003");
  times(tanh(), 0, -1, "sign");
  times(sub(), 1, -1, "sign");
  times(div(), 1, -1, "sign");
  times(softmax(), 0, -1, "sign");
  times(gru_step(), 2, -1, "sign");
  times(mse(), 1, -1, "sign");

  const auto twice = [&all](const BaseRule& b, Index input, double by) {
    all.push_back(scaled(b, input, by, "counted twice", GradcheckCause::counted_twice));
  };
  twice(tanh(), 0, 2);
  twice(add(), 1, 2);
  twice(matmul(), 1, 2);
  twice(affine(), 2, 3);
  twice(cross_entropy(), 0, 2);
  twice(recurrent(), 2, 2);
  twice(sum(), 0, 3);

  all.push_back(without(mul(), 1));
  all.push_back(without(matmul(), 1));
  all.push_back(without(affine(), 2));
  all.push_back(without(div(), 1));
  all.push_back(without(layer_norm(), 1));
  all.push_back(without(lstm_step(), 2));
  all.push_back(without(recurrent(), 1));
  all.push_back(without(tanh(), 0));
  using In = std::span<const Tensor>;
  all.push_back(detached("a + detach(b)", {{{2, 3}}, {{2, 3}}}, 1,
                         [](In in) { return in[0] + detach(in[1]); }));
  all.push_back(detached("x·detach(W) + b", {{{2, 3}}, {{3, 2}}, {{2}}}, 1,
                         [](In in) { return affine(in[0], detach(in[1]), in[2]); }));
  all.push_back(detached("tanh(detach(x))·h", {{{2, 2}}, {{2, 2}}}, 0,
                         [](In in) { return unroll::tanh(detach(in[0])) * in[1]; }));
  return all;
}

RuleCases wrong_in_one_entry() {
  using namespace base;
  const char* const entry = "one entry of a Jacobian of 10,000";
  RuleCases all;
  all.push_back(one_entry(square_sum(10000), {7777}, 1.05, entry));
  all.push_back(one_entry(square_sum(10000), {0}, 1.001, entry));
  all.push_back(one_entry(square_sum(10000), {9999}, 0, entry));
  all.push_back(one_entry(tanh({10, 10}), {3, 7}, 1.05, entry));
  all.push_back(one_entry(tanh({10, 10}), {9, 9}, 1.001, entry));
  all.push_back(one_entry(tanh({10, 10}), {0, 0}, 0, entry));
  const BaseRule product = product_of(60);
  all.push_back(one_entry(product, {41, 7}, 1.05, "one entry of a Jacobian of 216,000"));
  all.push_back(one_entry(product, {59, 59}, 1.001, "one entry of a Jacobian of 216,000"));
  all.push_back(one_entry(product, {0, 30}, 0, "one entry of a Jacobian of 216,000"));
  all.push_back(leak({10, 10}, 3, 77, 1e-3));
  all.push_back(leak({10, 10}, 98, 0, 0.05));
  all.push_back(one_entry(transpose(), {1, 2}, 1.05, "one entry of a small Jacobian"));
  all.push_back(one_entry(exp(), {1, 2}, 1.001, "one entry of a small Jacobian"));
  all.push_back(one_entry(mse(), {0, 1}, 0, "one entry of a small Jacobian"));
  return all;
}

}  // namespace unroll::test
