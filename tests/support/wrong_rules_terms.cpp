#include "support/base_rules.h"
#include "support/wrong_rules.h"

namespace unroll::test {
namespace {

using Out = std::vector<Tensor>;
constexpr ReduceOptions keep{.keepdim = true};

Tensor t(const Tensor& x) { return transpose(x, 0, 1); }

// `gradient` in place of that of one input.
RuleCase instead(const char* kind, const BaseRule& b, Index input, std::string what,
                 std::function<Tensor(const Given&)> gradient) {
  RuleCase c = wrong_case(
      kind, b, input,
      altered(b.rule, input, [gradient](const Tensor&, const Given& d) { return gradient(d); }));
  c.name += ": " + what;
  return c;
}

Tensor layer_norm_without(const Given& d, bool mean_term, bool variance_term) {
  const Tensor away = d.x() - mean(d.x(), -1, keep);
  const Tensor r = rsqrt(mean(away * away, -1, keep) + 1e-5);
  const Tensor n = away * r;
  Tensor g = d.dy() * d.x(1);
  const Tensor along = n * mean(g * n, -1, keep);
  if (mean_term) g = g - mean(g, -1, keep);
  if (variance_term) g = g - along;
  return r * g;
}

void add_missing_terms(RuleCases& all) {
  using namespace base;
  const auto term = [&all](const BaseRule& b, Index input, const char* what,
                           std::function<Tensor(const Given&)> gradient) {
    all.push_back(instead("term left out", b, input, what, std::move(gradient)));
  };
  term(base::tanh(), 0, "y²", [](const Given& d) { return d.dy() * 1.0; });
  term(base::sigmoid(), 0, "1 - y", [](const Given& d) { return d.dy() * d.y(); });
  term(base::silu(), 0, "x (1 - σ)",
       [](const Given& d) { return d.dy() * unroll::sigmoid(d.x()); });
  term(base::cube(), 0, "square", [](const Given& d) { return d.dy() * 3.0 * d.x(); });
  term(base::softmax(), 0, "Σ dy y", [](const Given& d) { return d.y() * d.dy(); });
  term(base::log_softmax(), 0, "Σ dy", [](const Given& d) { return d.dy() * 1.0; });
  term(base::layer_norm(), 0, "mean of the gradient",
       [](const Given& d) { return layer_norm_without(d, false, true); });
  term(base::layer_norm(), 0, "the variance",
       [](const Given& d) { return layer_norm_without(d, true, false); });
  term(base::unit(), 0, "projection",
       [](const Given& d) { return d.dy() / unroll::norm(d.x(), -1, {.keepdim = true}); });
  term(base::cross_entropy(), 0, "- target",
       [](const Given& d) { return d.dy() / 3.0 * unroll::softmax(d.x()); });
  term(base::logsumexp(), 0, "the largest's", [](const Given& d) {
    const Tensor p = unroll::softmax(d.x());
    return unsqueeze(d.dy(), -1) * where(p == max(p, -1, keep), 0.5 * p, p);
  });
  term(base::div(), 1, "square of the divisor", [](const Given& d) { return -d.dy() * d.y(); });
  term(base::attention(), 0, "Σ of the softmax", [](const Given& d) {
    const Tensor p = unroll::softmax(unroll::matmul(d.x(0), t(d.x(1))));
    return unroll::matmul(p * unroll::matmul(d.dy(), t(d.x(2))), d.x(1));
  });
  term(base::cumsum(), 0, "all but the first two behind", [](const Given& d) {
    const Tensor g = unroll::cumsum(d.dy(), 0, {.reverse = true});
    return g - pad(slice(g, {.from = 2}), {{.axis = 0, .after = 2}});
  });
}

void add_swapped(RuleCases& all) {
  const auto swap = [&all](const BaseRule& b, const char* what, Rule rule) {
    RuleCase c = wrong_case("operands swapped", b, -1, std::move(rule));
    c.name += what;
    all.push_back(c);
  };
  const BaseRule mul = base::mul({2, 3}, {2, 3});
  swap(mul, "", [](const Given& d) -> Out { return {d.dy() * d.x(0), d.dy() * d.x(1)}; });
  const BaseRule concat = base::concat();
  swap(concat, "", [concat](const Given& d) -> Out {
    auto g = concat.rule(d);
    return {g[1], g[0]};
  });
  const BaseRule mse = base::mse();
  swap(mse, "", [mse](const Given& d) -> Out {
    auto g = mse.rule(d);
    return {g[1], g[0]};
  });
  const BaseRule power = base::power();
  swap(power, "", [power](const Given& d) -> Out {
    auto g = power.rule(d);
    return {g[1], g[0]};
  });
  const BaseRule square = base::matmul(3, 3, 3);
  swap(square, ", dx = dy·xᵀ", [](const Given& d) -> Out {
    return {unroll::matmul(d.dy(), t(d.x(0))), unroll::matmul(t(d.x(1)), d.dy())};
  });
  const BaseRule outer = base::outer();
  swap(outer, "", [](const Given& d) -> Out {
    return {unroll::sum(d.dy() * unsqueeze(d.x(0), 1), 0), unroll::sum(d.dy() * d.x(1), 1)};
  });
}

void add_transposed(RuleCases& all) {
  const auto turned = [&all](const BaseRule& b, Index input, const char* what,
                             std::function<Tensor(const Given&)> gradient) {
    all.push_back(instead("not transposed", b, input, what, std::move(gradient)));
  };
  const BaseRule square = base::matmul(3, 3, 3);
  turned(square, 0, "dx = dy·W", [](const Given& d) { return unroll::matmul(d.dy(), d.x(1)); });
  turned(square, 1, "dW = x·dy", [](const Given& d) { return unroll::matmul(d.x(0), d.dy()); });
  turned(square, 1, "dW of transposed shape",
         [](const Given& d) { return unroll::matmul(t(d.dy()), d.x(0)); });
  turned(base::transpose(), 0, "dx = dy", [](const Given& d) { return d.dy() * 1.0; });
  turned(base::recurrent(), 2, "dh·W", [](const Given& d) {
    Tensor dh = zeros_like(d.x(2));
    for (Index step = 2; step >= 0; --step) {
      const Tensor h = select(d.y(), 0, step);
      dh = unroll::matmul((select(d.dy(), 0, step) + dh) * (1.0 - h * h), d.x(1));
    }
    return dh;
  });
}

}  // namespace

RuleCases wrong_terms() {
  RuleCases all;
  add_missing_terms(all);
  add_swapped(all);
  add_transposed(all);
  return all;
}

RuleCases wrong_reductions() {
  RuleCases all;
  // The gradient of what was broadcast, brought to its shape in a wrong way.
  const auto reduced = [&all](const char* kind, const BaseRule& b, Index input,
                              std::function<Tensor(const Tensor&)> reduce) {
    all.push_back(wrong_case(
        kind, b, input,
        altered(b.rule, input, [reduce](const Tensor& g, const Given&) { return reduce(g); })));
  };
  const auto mean_rows = [](const Tensor& g) { return mean(g, 0); };
  reduced("mean for the sum over rows", base::add({3, 4}, {4}), 1, mean_rows);
  reduced("mean for the sum over rows", base::mul({3, 4}, {4}), 1, mean_rows);
  reduced("mean for the sum over rows", base::affine(), 2, mean_rows);
  reduced("mean for the sum over rows", base::layer_norm(), 2, mean_rows);
  const auto last_axis = [](const Tensor& g) { return sum(g, -1); };
  reduced("summed over another axis of equal extent", base::add({3, 3}, {3}), 1, last_axis);
  reduced("summed over another axis of equal extent", base::mul({3, 3}, {3}), 1, last_axis);
  reduced("summed over another axis of equal extent", base::add({3, 3}, {3, 1}), 1,
          [](const Tensor& g) { return unsqueeze(sum(g, 0), 1); });
  const auto first_row = [](const Tensor& g) { return select(g, 0, 0); };
  reduced("first row instead of the sum", base::add({3, 4}, {4}), 1, first_row);
  reduced("first row instead of the sum", base::mul({3, 4}, {1, 4}), 1,
          [](const Tensor& g) { return slice(g, {.to = 1}); });
  reduced("last row instead of the sum", base::affine(), 2,
          [](const Tensor& g) { return select(g, 0, -1); });
  return all;
}

}  // namespace unroll::test
