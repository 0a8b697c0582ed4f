#include "support/base_rules.h"
#include "support/wrong_rules.h"

namespace unroll::test {
namespace {

// The gradient of input 0 multiplied by `by` where `mask` of the input's values holds.
RuleCase where_wrong(const char* kind, const BaseRule& b, Tensor (*mask)(const Tensor& x),
                     double by, const Draw& draw) {
  RuleCase c =
      wrong_case(kind, b, 0, altered(b.rule, 0, [mask, by](const Tensor& g, const Given& d) {
                   return where(mask(d.x()), g * by, g);
                 }));
  c.inputs[0] = draw;
  return c;
}

Tensor negative(const Tensor& x) { return x < 0.0; }
Tensor above_one(const Tensor& x) { return x > 1.0; }
Tensor outside(const Tensor& x) { return abs(x) > 1.2; }

// Scaled by 1.0001, where inputs lie far from 1.
RuleCase of_size(const BaseRule& b, Index input, Draws inputs, std::string what) {
  RuleCase c =
      wrong_case("scaled by 1.0001, inputs of another size", b, input,
                 altered(b.rule, input, [](const Tensor& g, const Given&) { return g * 1.0001; }));
  c.inputs = std::move(inputs);
  c.name += ", " + std::move(what);
  return c;
}

}  // namespace

RuleCases wrong_for_some_values() {
  RuleCases all;
  const char* const below = "wrong for negative inputs";
  const Draw both{{12}, -2, 0.7};
  all.push_back(where_wrong(below, base::tanh(), negative, -1, both));
  all.push_back(where_wrong(below, base::cube(), negative, -1, both));
  all.push_back(where_wrong(below, base::silu(), negative, 1.1, both));
  all.push_back(where_wrong(below, base::softplus(), negative, 0.99, both));
  all.push_back(where_wrong(below, base::square_sum(12), negative, -1, both));
  const char* const past = "wrong past a threshold";
  all.push_back(where_wrong(past, base::tanh(), outside, 0.9, {{12}, 0.7, 2}));
  all.push_back(where_wrong(past, base::exp(), above_one, 1.01, {{12}, 0.5, 2}));
  all.push_back(where_wrong(past, base::sigmoid(), outside, 1.5, {{12}, -2, -0.7}));
  all.push_back(where_wrong(past, base::log(), above_one, 1.001, {{12}, 0.3, 3}));
  all.push_back(where_wrong(past, base::sqrt(), above_one, 0.999, {{12}, 0.3, 3}));

  const double big = 1e6, small = 1e-6;
  all.push_back(of_size(base::square_sum(4), 0, {{{4}, big / 2, big}}, "1e6"));
  all.push_back(of_size(base::square_sum(4), 0, {{{4}, small / 2, small}}, "1e-6"));
  all.push_back(of_size(base::log(), 0, {{{2, 3}, big / 2, big}}, "1e6"));
  all.push_back(of_size(base::log(), 0, {{{2, 3}, small / 2, small}}, "1e-6"));
  all.push_back(of_size(base::matmul(), 0, {{{2, 3}, big / 2, big}, {{3, 2}}}, "1e6"));
  all.push_back(
      of_size(base::matmul(), 1, {{{2, 3}, small / 2, small}, {{3, 2}, small / 2, small}}, "1e-6"));
  all.push_back(of_size(base::div(), 1, {{{2, 3}}, {{3}, big / 2, big}}, "1e6"));
  all.push_back(of_size(base::norm(), 0, {{{2, 3}, small / 2, small}}, "1e-6"));
  return all;
}

RuleCases wrong_for_some_layouts() {
  RuleCases all;
  using In = std::span<const Tensor>;
  // The operation gets views of what it is given, and is wrong for these alone.
  const auto viewed = [&all](const BaseRule& b, const char* view, Draws inputs,
                             std::function<Tensor(const Tensor&)> look) {
    const auto wrong_where_strided = altered(b.rule, 0, [](const Tensor& g, const Given& d) {
      return detail::is_dense(d.x()) ? g : g * 1.5;
    });
    RuleCase c = wrong_case("wrong for views", b, 0, wrong_where_strided);
    c.call = [op = MadeOperation(b.value, wrong_where_strided), look](In in) {
      std::vector<Tensor> operands(in.begin(), in.end());
      operands[0] = look(operands[0]);
      return op(operands);
    };
    c.inputs = std::move(inputs);
    c.name += std::string(", ") + view;
    all.push_back(c);
  };
  const auto turned = [](const Tensor& x) { return transpose(x, 0, 1); };
  const auto second = [](const Tensor& x) { return slice(x, {.axis = 1, .step = 2}); };
  const auto stretched = [](const Tensor& x) { return expand(x, {3, x.size(1)}); };
  viewed(base::tanh(), "transposed", {{{3, 2}}}, turned);
  viewed(base::softmax(), "every second column", {{{2, 5}}}, second);
  viewed(base::matmul(3, 3, 2), "transposed", {{{3, 3}}, {{3, 2}}}, turned);
  viewed(base::sum(), "broadcast", {{{1, 4}}}, stretched);
  viewed(base::exp(), "a column", {{{3, 4}}}, [](const Tensor& x) { return select(x, 1, 2); });
  // Elements read as if they lay one after another.
  const auto misread = altered(base::cube().rule, 0, [](const Tensor& g, const Given& d) {
    const Tensor at = reshape(transpose(d.x(), 0, 1), d.x().shape());
    return detail::is_dense(d.x()) ? g : d.dy() * 3.0 * at * at;
  });
  RuleCase order = wrong_case("wrong for views", base::cube(), 0, misread);
  order.call = [op = MadeOperation(base::cube().value, misread)](In in) {
    return op({transpose(in[0], 0, 1)});
  };
  order.name += ", elements in the order of memory";
  all.push_back(order);

  const auto extent_one = [&all](const BaseRule& b, Draws inputs, double by) {
    RuleCase c = wrong_case("wrong for axes of extent 1", b, 0,
                            altered(b.rule, 0, [by](const Tensor& g, const Given& d) {
                              const Shape shape = d.x().shape();
                              for (Index axis = 0; axis < shape.rank(); ++axis)
                                if (shape[axis] == 1) return g * by;
                              return g;
                            }));
    c.inputs = std::move(inputs);
    all.push_back(c);
  };
  extent_one(base::tanh(), {{{4, 1}}}, 1.25);
  extent_one(base::cumsum(), {{{1, 3}}}, 0.5);
  extent_one(base::logsumexp(), {{{3, 1}}}, 0.9);
  extent_one(base::matmul(1, 1, 2), {{{1, 1}}, {{1, 2}}}, 0.7);
  return all;
}

}  // namespace unroll::test
