#include <cmath>

#include "support/base_rules.h"
#include "support/wrong_rules.h"

namespace unroll::test {
namespace {

using In = std::span<const Tensor>;
using Out = std::vector<Tensor>;

// What a function keeps from call to call.
template <class T>
struct Kept {
  std::shared_ptr<T> value = std::make_shared<T>();
  std::function<void()> anew() const {
    return [v = value] { *v = T{}; };
  }
};

RuleCase by_state(const char* kind, std::string name, Draws inputs, Value call, Shows shows,
                  GradcheckCause cause) {
  RuleCase c = right_case(kind, std::move(name), std::move(inputs), std::move(call));
  c.shows = shows;
  c.causes = {cause};
  return c;
}

RuleCase noisy_gradient(const BaseRule& b, Index input, double by) {
  const Kept<int> calls;
  RuleCase c = wrong_case("gradient not deterministic", b, input,
                          altered(b.rule, input,
                                  [calls, by](const Tensor& g, const Given&) {
                                    return g * (1.0 + by * (++*calls.value % 7));
                                  }),
                          GradcheckCause::not_deterministic);
  c.shows = Shows::repeated_gradient;
  c.anew = calls.anew();
  return c;
}

RuleCase noisy_value(const BaseRule& b, double by) {
  const Kept<int> calls;
  RuleCase c = by_state(
      "value not deterministic", b.name, b.inputs,
      [calls, by, op = b.operation()](In in) { return op(in) * (1.0 + by * (++*calls.value % 7)); },
      Shows::repeated_value, GradcheckCause::not_deterministic);
  c.anew = calls.anew();
  c.input = -1;
  return c;
}

// The gradients of former calls are added to that of this one.
RuleCase accumulating(const BaseRule& b, Index input) {
  const Kept<Tensor> total;
  RuleCase c = wrong_case("accumulates from call to call", b, input,
                          altered(b.rule, input,
                                  [total](const Tensor& g, const Given&) {
                                    const Tensor before = *total.value;
                                    const Tensor now = detach(g);
                                    if (!before.defined() || before.dtype() != now.dtype() ||
                                        before.shape() != now.shape()) {
                                      *total.value = now;
                                      return g;
                                    }
                                    *total.value = before + now;
                                    return g + before;
                                  }),
                          GradcheckCause::not_deterministic);
  c.shows = Shows::repeated_gradient;
  c.anew = total.anew();
  return c;
}

// Its value comes from somewhere else than the input that it claims.
RuleCase captured(const BaseRule& b) {
  Rng rng(5);
  std::vector<Tensor> copies;
  for (const Draw& d : b.inputs) copies.push_back(uniform(d.shape, d.low, d.high, rng, f64));
  const MadeOperation op(
      [value = b.value, copies](In in) {
        std::vector<Tensor> of_dtype;
        for (const Tensor& x : copies) of_dtype.push_back(x.to(in[0].dtype()));
        return value(of_dtype);
      },
      b.rule);
  RuleCase c = by_state("reads a captured copy", b.name, b.inputs, op, Shows::gradient,
                        GradcheckCause::unrelated);
  c.input = 0;
  return c;
}

// Computes once, and gives that from then on.
RuleCase cached(const BaseRule& b) {
  const Kept<Tensor> first;
  const MadeOperation op(
      [value = b.value, first](In in) {
        Tensor& y = *first.value;
        if (!y.defined()) y = value(in);
        return y.to(in[0].dtype()) * 1.0;
      },
      b.rule);
  RuleCase c = by_state("gives the value of its first call", b.name, b.inputs, op, Shows::gradient,
                        GradcheckCause::unrelated);
  c.anew = first.anew();
  c.input = 0;
  return c;
}

// Dropout whose way back draws another mask.
RuleCase redrawn(double rate, bool from_default) {
  const BaseRule b{
      .name = from_default ? "dropout, from the thread's numbers" : "dropout, from another key",
      .inputs = {{{3, 5}, 0.5, 2}},
      .value =
          [rate](In in) {
            Rng key(8);
            return in[0] * bernoulli(in[0].shape(), 1 - rate, key, in[0].dtype()) / (1 - rate);
          },
      .rule = {}};
  RuleCase c = wrong_case(
      "mask drawn again on the way back", b, 0, [rate, from_default](const Given& d) -> Out {
        Rng other(9);
        Rng& rng = from_default ? default_rng() : other;
        return {d.dy() * bernoulli(d.dy().shape(), 1 - rate, rng, d.dy().dtype()) / (1 - rate)};
      });
  c.training = true;
  return c;
}

}  // namespace

RuleCases wrong_by_state() {
  RuleCases all;
  all.push_back(noisy_gradient(base::tanh(), 0, 1e-3));
  all.push_back(noisy_gradient(base::matmul(), 1, 0.5));
  all.push_back(noisy_gradient(base::softmax(), 0, 1e-8));
  all.push_back(noisy_gradient(base::lstm_step(), 2, 1e-3));
  all.push_back(noisy_value(base::tanh(), 1e-3));
  all.push_back(noisy_value(base::sum(), 1e-6));
  all.push_back(noisy_value(base::cross_entropy(), 0.1));
  all.push_back(accumulating(base::tanh(), 0));
  all.push_back(accumulating(base::affine(), 2));
  all.push_back(accumulating(base::rows(), 0));
  all.push_back(captured(base::tanh()));
  all.push_back(captured(base::cross_entropy()));
  all.push_back(captured(base::square_sum(5)));
  all.push_back(cached(base::exp()));
  all.push_back(cached(base::softmax()));
  all.push_back(redrawn(0.4, false));
  all.push_back(redrawn(0.5, true));
  all.back().causes = {GradcheckCause::not_deterministic};
  return all;
}

RuleCases hard_points() {
  RuleCases all;
  const auto kink = [&all](const char* kind, std::string name, Draws inputs, Value call) {
    RuleCase c = by_state(kind, std::move(name), std::move(inputs), std::move(call), Shows::kink,
                          GradcheckCause::kink);
    all.push_back(c);
  };
  const char* const exactly = "kink at the point";
  const Draw zero{{3}, 0, 0};
  kink(exactly, "relu", {zero}, [](In in) { return relu(in[0]); });
  kink(exactly, "leaky relu", {zero}, [](In in) { return leaky_relu(in[0], 0.1); });
  kink(exactly, "elu", {zero}, [](In in) { return elu(in[0], 1.3); });
  kink(exactly, "clamp at its bound", {{{2}, 1, 1}},
       [](In in) { return clamp(in[0], {.low = -1, .high = 1}); });
  kink(exactly, "maximum of equals", {zero, zero}, [](In in) { return maximum(in[0], in[1]); });
  all.back().input = -1;
  kink(exactly, "max of equals", {{{3}, 1, 1}}, [](In in) { return max(in[0]); });
  kink(exactly, "hard sigmoid at 3", {{{2}, 3, 3}}, [](In in) { return hard_sigmoid(in[0]); });
  // abs, with the slope of one side at 0.
  const MadeOperation one_sided(
      [](In in) { return abs(in[0]); },
      [](const Given& d) -> Out { return {where(d.x() >= 0.0, d.dy(), -d.dy())}; });
  kink(exactly, "abs", {zero}, one_sided);
  const char* const near = "kink nearer than any step";
  const Draw beside_one{{2}, 1, 1};
  kink(near, "relu", {beside_one}, [](In in) { return relu(in[0] - std::nextafter(1.0, 2.0)); });
  kink(near, "clamp", {beside_one},
       [](In in) { return clamp(in[0], {.low = std::nextafter(1.0, 0.0), .high = 3}); });
  kink(near, "mae near its target", {beside_one}, [](In in) {
    const Tensor target = full(in[0].shape(), std::nextafter(1.0, 2.0), f64);
    return mae(in[0], target.to(in[0].dtype()));
  });

  const auto noise = [&all](std::string name, Draws inputs, Value call) {
    all.push_back(by_state("too few digits", std::move(name), std::move(inputs), std::move(call),
                           Shows::precision, GradcheckCause::precision));
  };
  noise("tanh beside exp 24", {{{8}}},
        [](In in) { return (tanh(in[0]) + std::exp(24)) - std::exp(24); });
  noise("exp beside 1e13", {{{6}}}, [](In in) { return (exp(in[0]) + 1e13) - 1e13; });
  noise("stairs of f32", {{{6}, -1, 1}},
        [](In in) { return sigmoid((in[0].to(f32) + 1e6) - 1e6).to(in[0].dtype()); });
  return all;
}

RuleCases all_wrong_rules() {
  RuleCases all;
  for (const auto& family :
       {wrong_by_a_factor, wrong_in_one_entry, wrong_terms, wrong_for_some_values, wrong_reductions,
        wrong_for_some_layouts, wrong_in_use, wrong_for_some_upstreams, wrong_in_one_path,
        wrong_in_second_order, wrong_in_time, wrong_by_state, hard_points})
    for (RuleCase& c : family()) all.push_back(std::move(c));
  return all;
}

}  // namespace unroll::test
