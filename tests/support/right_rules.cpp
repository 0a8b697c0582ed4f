#include "support/right_rules.h"

#include "support/base_rules.h"

namespace unroll::test {
namespace {

using In = std::span<const Tensor>;

std::vector<BaseRule> bases() {
  using namespace base;
  return {tanh(),
          sigmoid(),
          exp(),
          cube(),
          silu(),
          softplus(),
          log(),
          sqrt(),
          square_sum(7),
          add(),
          sub(),
          mul(),
          div(),
          power(),
          matmul(),
          affine(),
          outer(),
          attention(),
          sum(),
          mean(),
          prod(),
          logsumexp(),
          norm(),
          softmax(),
          log_softmax(),
          layer_norm(),
          unit(),
          transpose(),
          cumsum(),
          difference(),
          concat(),
          rows(),
          mse(),
          cross_entropy(),
          lstm_step(),
          gru_step(),
          recurrent(),
          recurrent(InTime::right, {3, 1}),
          recurrent(InTime::right, {2, 0})};
}

}  // namespace

RuleCases right_by_hand() {
  RuleCases all;
  for (const BaseRule& b : bases()) {
    all.push_back(right_case("written by hand", b.name, b.inputs, b.operation()));
    // The same, of a transposed view of input 0, and of one with gaps.
    const Shape shape = b.inputs[0].shape;
    if (shape.rank() < 2) continue;
    Draws turned = b.inputs;
    turned[0].shape = shape.with(0, shape[1]).with(1, shape[0]);
    all.push_back(right_case("of a transposed view", b.name, turned, [op = b.operation()](In in) {
      std::vector<Tensor> x(in.begin(), in.end());
      x[0] = unroll::transpose(x[0], 0, 1);
      return op(x);
    }));
    Draws wide = b.inputs;
    wide[0].shape = shape.with(-1, 2 * shape[-1] + 1);
    all.push_back(right_case("of a view with gaps", b.name, wide, [op = b.operation()](In in) {
      std::vector<Tensor> x(in.begin(), in.end());
      x[0] = slice(x[0], {.axis = -1, .from = 1, .step = 2});
      return op(x);
    }));
  }
  return all;
}

RuleCases right_in_compositions() {
  using namespace base;
  RuleCases all;
  const auto put = [&all](const char* kind, const char* name, Draws inputs, Value call) {
    all.push_back(right_case(kind, name, std::move(inputs), std::move(call)));
  };
  const Draw some{{2, 3}, 0.5, 2};
  const char* const twice = "one input twice";
  const auto pair = [&](const BaseRule& b, const Draw& draw) {
    put(twice, b.name.c_str(), {draw}, [op = b.operation()](In in) { return op({in[0], in[0]}); });
  };
  pair(mul({2, 3}, {2, 3}), some);
  pair(add({2, 3}, {2, 3}), some);
  pair(power(), some);
  pair(matmul(3, 3, 3), {{3, 3}});
  pair(outer(), {{3}});
  pair(concat(), some);
  put(twice, "attention to itself", {{{2, 3}}}, [op = attention().operation()](In in) {
    return op({in[0], in[0], in[0]});
  });
  put(twice, "x and its transpose", {{{3, 3}}}, [op = matmul(3, 3, 3).operation()](In in) {
    return op({in[0], unroll::transpose(in[0], 0, 1)});
  });
  const char* const calls = "called several times";
  const auto again = [&](const BaseRule& b) {
    put(calls, b.name.c_str(), b.inputs, [op = b.operation()](In in) {
      std::vector<Tensor> x(in.begin(), in.end());
      const Tensor first = op(x);
      x[0] = x[0] * 0.5 + 0.25;
      return first * 0.3 + op(x) * first;
    });
  };
  again(tanh());
  again(softmax());
  again(layer_norm());
  again(lstm_step());
  again(rows());
  const char* const deep = "deep";
  put(deep, "tanh 50 times", {{{3}}}, [op = tanh().operation()](In in) {
    Tensor x = in[0];
    for (int i = 0; i < 50; ++i) x = op({x * 1.1});
    return x;
  });
  put(deep, "a chain of products", {{{2, 2}}, {{2, 2}, -0.9, 0.9}},
      [op = matmul(2, 2, 2).operation()](In in) {
        Tensor x = in[0];
        for (int i = 0; i < 12; ++i) x = op({x, in[1]});
        return x;
      });
  put(deep, "twenty steps of a gru", {{{2, 6}}, {{2, 2}}}, [op = gru_step().operation()](In in) {
    Tensor h = in[1];
    for (int i = 0; i < 20; ++i) h = op({in[0], 0.5 * h, h});
    return h;
  });
  put(deep, "views of views", {{{3, 4, 2}}}, [](In in) {
    const Tensor x = permute(in[0], {2, 0, 1});
    const Tensor part = slice(select(x, 0, 1), {.axis = 1, .step = 2});
    return unroll::tanh(unroll::transpose(part, 0, 1)) *
           reshape(slice(in[0], {.axis = 1, .to = 1}), {2, 3});
  });
  put(deep, "a broadcast view of a slice", {{{3, 3}}}, [](In in) {
    const Tensor row = slice(in[0], {.from = 1, .to = 2});
    return expand(row, {4, 3}) * expand(unsqueeze(diagonal(in[0]), 0), {4, 3});
  });
  put(deep, "shared subexpressions", {some}, [](In in) {
    const Tensor a = in[0] * in[0];
    const Tensor b = a + in[0];
    return a * b + b / a - in[0];
  });
  put(deep, "detach where it belongs", {some}, [](In in) {
    const Tensor m = detach(max(in[0], -1, {.keepdim = true}));
    return unroll::log(unroll::sum(unroll::exp(in[0] - m), -1, {.keepdim = true})) + m;
  });
  return all;
}

RuleCases all_right_rules() {
  RuleCases all;
  for (const auto& family : {right_by_hand, right_in_compositions, right_elementwise,
                             right_of_shapes, right_at_extremes})
    for (RuleCase& c : family()) all.push_back(std::move(c));
  return all;
}

}  // namespace unroll::test
