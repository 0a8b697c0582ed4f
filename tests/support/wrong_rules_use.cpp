#include "support/base_rules.h"
#include "support/wrong_rules.h"

namespace unroll::test {
namespace {

using In = std::span<const Tensor>;
using Out = std::vector<Tensor>;

RuleCase used(const char* kind, const BaseRule& b, std::string what, Draws inputs, Value call) {
  RuleCase c =
      right_case(kind, b.name + ", " + std::move(what), std::move(inputs), std::move(call));
  c.shows = Shows::gradient;
  c.causes = {GradcheckCause::wrong_derivative};
  return c;
}

// A rule that writes in place and forgets that there is something already.
RuleCase overwriting(const BaseRule& b, Index input, std::string what, Draws inputs,
                     std::function<Tensor(const MadeOperation&, In)> call) {
  const Rule rule = [right = b.rule, input](const Given& d) -> Out {
    Out g = right(d);
    if (d.recorded() || !d.backward.needs(input)) return g;
    Tensor& mine = g[static_cast<std::size_t>(input)];
    const detail::Destination to = d.backward.destination(input);
    detail::copy_elements(mine, to.buffer);
    mine = Tensor();
    return g;
  };
  RuleCase c = used("overwrites instead of adding", b, std::move(what), std::move(inputs),
                    [op = MadeOperation(b.value, rule), call](In in) { return call(op, in); });
  c.input = input;
  return c;
}

// Saves its input in one place, whoever calls it.
struct OnePlace {
  Tensor x;
};
RuleCase stale(const BaseRule& b, std::function<Tensor(const Tensor& dy, const Tensor& x)> slope) {
  auto place = std::make_shared<OnePlace>();
  const MadeOperation op(
      [value = b.value, place](In in) {
        place->x = detach(in[0]);
        return value(in);
      },
      [place, slope](const Given& d) -> Out { return {slope(d.dy(), place->x)}; });
  return used("value of another call", b, "called twice", b.inputs,
              [op](In in) { return op({in[0]}) + 0.7 * op({in[0] * 0.5 + 0.2}); });
}

// Wrong in every second call that is recorded.
RuleCase second_call(const BaseRule& b, double by) {
  auto calls = std::make_shared<int>(0);
  auto of_call = std::make_shared<MadeOperation>(
      b.value, altered(b.rule, 0, [by](const Tensor& g, const Given&) { return g * by; }));
  const MadeOperation right = b.operation();
  const auto call = [calls, of_call, right](In in) {
    return ++*calls % 2 == 0 ? (*of_call)(in) : right(in);
  };
  return used("wrong in the second call", b, "", b.inputs, [call](In in) {
    const Tensor first = call(in);
    Out again(in.begin(), in.end());
    again[0] = again[0] * 0.5;
    return first * 0.3 + call(again);
  });
}

// One operand twice: `wrong` where both are the same tensor.
RuleCase same_twice(const BaseRule& b, const Shape& shape, Rule wrong) {
  const Rule rule = [right = b.rule, wrong](const Given& d) {
    return d.x(0).header() == d.x(1).header() ? wrong(d) : right(d);
  };
  return used("wrong where an input is there twice", b, "of (x, x)", {{shape, 0.5, 2}},
              [op = MadeOperation(b.value, rule)](In in) {
                return op({in[0], in[0]});
              });
}

}  // namespace

RuleCases wrong_in_use() {
  RuleCases all;
  const Draw some{{2, 3}, 0.5, 2};
  all.push_back(
      overwriting(base::tanh(), 0, "used twice", {some}, [](const MadeOperation& op, In in) {
        const Tensor y = op({in[0]});  // differentiated last
        return y * 1.5 + unroll::exp(in[0]);
      }));
  all.push_back(overwriting(base::matmul(), 1, "one matrix in two steps", {{{2, 3}}, {{3, 3}}},
                            [](const MadeOperation& op, In in) {
                              return op({unroll::tanh(op({in[0], in[1]})), in[1]});
                            }));
  all.push_back(
      overwriting(base::mul(), 0, "beside a sum", {some, some}, [](const MadeOperation& op, In in) {
        const Tensor y = op({in[0], in[1]});
        return y + in[0];
      }));
  // Ids that are there twice get the gradient of the last one only.
  const Tensor ids = tensor({2, 0, 2, 3});
  all.push_back(
      wrong_case("overwrites instead of adding", base::rows(), 0, [ids](const Given& d) -> Out {
        const Tensor counted = tensor({0.0, 1.0, 1.0, 1.0}, d.dy().dtype());
        return {index_add(zeros_like(d.x()), 0, ids, d.dy() * unsqueeze(counted, 1))};
      }));
  all.push_back(wrong_case("overwrites instead of adding",
                           base::recurrent(base::InTime::last_step_only), 1,
                           base::recurrent(base::InTime::last_step_only).rule));

  all.push_back(second_call(base::tanh(), 1.2));
  all.push_back(second_call(base::matmul(), 0.8));
  all.push_back(second_call(base::softmax(), 1.0001));
  all.push_back(second_call(base::cumsum(), -1));

  all.push_back(same_twice(base::mul({2, 3}, {2, 3}), {2, 3}, [](const Given& d) -> Out {
    return {d.dy() * d.x(), Tensor()};
  }));
  all.push_back(same_twice(base::matmul(3, 3, 3), {3, 3}, [](const Given& d) -> Out {
    return {2.0 * matmul(d.dy(), transpose(d.x(), 0, 1)), Tensor()};
  }));
  all.push_back(same_twice(base::power(), {2, 3}, [](const Given& d) -> Out {
    return {d.dy() * d.y(), Tensor()};  // without the logarithm
  }));
  all.push_back(same_twice(base::outer(), {3}, [](const Given& d) -> Out {
    return {sum(d.dy() * d.x(), 1), Tensor()};
  }));

  all.push_back(stale(base::tanh(), [](const Tensor& dy, const Tensor& x) {
    const Tensor y = tanh(x);
    return dy * (1.0 - y * y);
  }));
  all.push_back(
      stale(base::cube(), [](const Tensor& dy, const Tensor& x) { return dy * 3.0 * x * x; }));
  all.push_back(stale(base::exp(), [](const Tensor& dy, const Tensor& x) { return dy * exp(x); }));
  all.push_back(stale(base::softmax(), [](const Tensor& dy, const Tensor& x) {
    const Tensor y = softmax(x);
    return y * (dy - sum(dy * y, -1, {.keepdim = true}));
  }));
  return all;
}

RuleCases wrong_for_some_upstreams() {
  RuleCases all;
  // Right for 1 from above, and not linear.
  const auto bent = [&all](const BaseRule& b, const char* what, Tensor (*bend)(const Tensor& g)) {
    RuleCase c = wrong_case("not linear in what comes from above", b, 0,
                            altered(b.rule, 0, [bend](const Tensor& g, const Given& d) {
                              return where(d.dy() == 0.0, g, g * bend(d.dy()) / d.dy());
                            }));
    c.name += std::string(", ") + what;
    all.push_back(c);
  };
  bent(base::tanh({4, 6}), "clipped at 1",
       [](const Tensor& g) { return clamp(g, {.low = -1, .high = 1}); });
  bent(base::exp(), "without its sign", [](const Tensor& g) { return abs(g); });
  bent(base::cube(), "squared", [](const Tensor& g) { return g * g; });
  bent(base::sigmoid(), "less where negative", [](const Tensor& g) { return leaky_relu(g, 0.5); });

  // Right where all inputs want a gradient.
  const auto alone = [&all](const BaseRule& b, Index input, double by) {
    RuleCase c = wrong_case("wrong where another input is constant", b, input,
                            altered(b.rule, input, [input, by](const Tensor& g, const Given& d) {
                              return d.backward.needs(1 - input) ? g : g * by;
                            }));
    c.shows = Shows::alone;
    all.push_back(c);
  };
  alone(base::mul(), 0, 1.001);
  alone(base::matmul(), 1, 2);
  alone(base::div(), 1, -1);

  // Right where what comes from above lies in rows.
  const auto strided = [&all](const BaseRule& b, const char* what,
                              std::function<Tensor(const Tensor&)> after) {
    const Rule rule = altered(b.rule, 0, [](const Tensor& g, const Given& d) {
      return detail::is_dense(d.dy()) ? g : g * 1.25;
    });
    RuleCase c = used("wrong where the gradient from above has strides", b, what, b.inputs,
                      [op = MadeOperation(b.value, rule), after](In in) { return after(op(in)); });
    all.push_back(c);
  };
  strided(base::tanh(), "below a sum", [](const Tensor& y) { return sum(y); });
  strided(base::exp(), "below a mean", [](const Tensor& y) { return mean(y, 0); });

  // Changes what it was given to keep.
  const auto clobbers = [&all](const BaseRule& b) {
    RuleCase c = wrong_case(
        "changes what was saved", b, 0,
        [right = b.rule](const Given& d) {
          const Out g = right(d);
          if (!d.recorded()) {
            const Tensor y = d.y();
            detail::copy_elements(detach(y) * 0.5, y);
          }
          return g;
        },
        GradcheckCause::not_deterministic);
    c.shows = Shows::repeated_gradient;
    all.push_back(c);
  };
  clobbers(base::sigmoid());
  clobbers(base::softmax());
  return all;
}

RuleCases wrong_in_one_path() {
  RuleCases all;
  // A faster way that works in place is wrong, the one that is recorded right; or the other way
  // round.
  const auto in_place = [&all](const BaseRule& b, Index input, double by) {
    all.push_back(wrong_case("wrong in place, right recorded", b, input,
                             altered(b.rule, input, [by](const Tensor& g, const Given& d) {
                               return d.recorded() ? g : g * by;
                             })));
  };
  in_place(base::tanh(), 0, 1.001);
  in_place(base::matmul(), 1, -1);
  in_place(base::layer_norm(), 2, 0.5);
  in_place(base::lstm_step(), 0, 1.0001);
  const auto recorded = [&all](const BaseRule& b, Index input, double by) {
    RuleCase c = wrong_case("right in place, wrong recorded", b, input,
                            altered(b.rule, input, [by](const Tensor& g, const Given& d) {
                              return d.recorded() ? g * by : g;
                            }));
    c.shows = Shows::recorded_gradient;
    all.push_back(c);
  };
  recorded(base::tanh(), 0, 1.001);
  recorded(base::matmul(), 0, -1);
  recorded(base::mul(), 1, 0.5);
  recorded(base::softmax(), 0, 1.0001);

  const auto single = [&all](const BaseRule& b, Index input, const char* what, Rule rule) {
    RuleCase c = wrong_case("right in f64, wrong in f32", b, input, std::move(rule));
    c.name += std::string(", ") + what;
    c.shows = Shows::single_precision;
    c.input = -1;
    all.push_back(c);
  };
  const auto if_single = [](const BaseRule& b, Index input, Alteration alteration) {
    return altered(b.rule, input, [alteration](const Tensor& g, const Given& d) {
      return g.dtype() == f32 ? alteration(g, d) : g;
    });
  };
  single(base::tanh(), 0, "another kernel",
         if_single(base::tanh(), 0, [](const Tensor& g, const Given&) { return g * 1.001; }));
  single(base::matmul(), 1, "another kernel",
         if_single(base::matmul(), 1, [](const Tensor& g, const Given&) { return -g; }));
  single(base::sqrt(), 0, "an epsilon for f32",
         if_single(base::sqrt(), 0,
                   [](const Tensor&, const Given& d) { return d.dy() * 0.5 / (d.y() + 1e-3); }));
  single(base::softplus(), 0, "by cancelling", [](const Given& d) -> Out {
    const Tensor far = (sigmoid(d.x()) + 4096.0) - 4096.0;
    return {d.dy() * far};
  });
  return all;
}

}  // namespace unroll::test
