#include "support/base_rules.h"

namespace unroll::test::base {
namespace {

using In = std::span<const Tensor>;
using Out = std::vector<Tensor>;
constexpr ReduceOptions keep{.keepdim = true};

Tensor t(const Tensor& x) { return unroll::transpose(x, 0, 1); }

BaseRule unary(std::string name, const Draw& draw, Tensor (*f)(const Tensor&),
               Tensor (*slope)(const Tensor& x, const Tensor& y)) {
  return {.name = std::move(name),
          .inputs = {draw},
          .value = [f](In in) { return f(in[0]); },
          .rule = [slope](const Given& d) -> Out { return {d.dy() * slope(d.x(), d.y())}; }};
}

}  // namespace

BaseRule tanh(const Shape& shape) {
  return unary("tanh", {shape, -1.5, 1.5}, unroll::tanh,
               [](const Tensor&, const Tensor& y) { return 1.0 - y * y; });
}
BaseRule sigmoid() {
  return unary("sigmoid", {{2, 3}}, unroll::sigmoid,
               [](const Tensor&, const Tensor& y) { return y * (1.0 - y); });
}
BaseRule exp() {
  return unary("exp", {{2, 3}}, unroll::exp, [](const Tensor&, const Tensor& y) { return y; });
}
BaseRule cube() {
  return unary(
      "cube", {{2, 3}}, [](const Tensor& x) { return x * x * x; },
      [](const Tensor& x, const Tensor&) { return 3.0 * x * x; });
}
BaseRule silu() {
  return unary("silu", {{2, 3}}, unroll::silu, [](const Tensor& x, const Tensor&) {
    const Tensor s = unroll::sigmoid(x);
    return s * (1.0 + x * (1.0 - s));
  });
}
BaseRule softplus() {
  return unary("softplus", {{2, 3}}, unroll::softplus,
               [](const Tensor& x, const Tensor&) { return unroll::sigmoid(x); });
}
BaseRule log() {
  return unary("log", {{2, 3}, 0.3, 4}, unroll::log,
               [](const Tensor& x, const Tensor&) { return 1.0 / x; });
}
BaseRule sqrt() {
  return unary("sqrt", {{2, 3}, 0.3, 4}, unroll::sqrt,
               [](const Tensor&, const Tensor& y) { return 0.5 / y; });
}
BaseRule square_sum(Index count) {
  return {.name = "Σ x² of " + std::to_string(count),
          .inputs = {{{count}, 0.5, 2}},
          .value = [](In in) { return unroll::sum(in[0] * in[0]); },
          .rule = [](const Given& d) -> Out { return {d.dy() * 2.0 * d.x()}; }};
}

BaseRule add(const Shape& a, const Shape& b) {
  return {.name = "add",
          .inputs = {{a}, {b}},
          .value = [](In in) { return in[0] + in[1]; },
          .rule = [](const Given& d) -> Out {
            return {d.dy(), d.dy()};
          }};
}
BaseRule sub() {
  return {.name = "sub",
          .inputs = {{{2, 3}}, {{2, 1}}},
          .value = [](In in) { return in[0] - in[1]; },
          .rule = [](const Given& d) -> Out {
            return {d.dy(), -d.dy()};
          }};
}
BaseRule mul(const Shape& a, const Shape& b) {
  return {.name = "mul",
          .inputs = {{a, 0.4, 2}, {b, -2, -0.3}},
          .value = [](In in) { return in[0] * in[1]; },
          .rule = [](const Given& d) -> Out {
            return {d.dy() * d.x(1), d.dy() * d.x(0)};
          }};
}
BaseRule div() {
  return {.name = "div",
          .inputs = {{{2, 3}}, {{3}, 0.5, 2}},
          .value = [](In in) { return in[0] / in[1]; },
          .rule = [](const Given& d) -> Out {
            return {d.dy() / d.x(1), -d.dy() * d.y() / d.x(1)};
          }};
}
BaseRule power() {
  return {
      .name = "pow",
      .inputs = {{{2, 3}, 0.5, 2}, {{2, 3}, 0.5, 2}},
      .value = [](In in) { return pow(in[0], in[1]); },
      .rule = [](const Given& d) -> Out {
        return {d.dy() * d.x(1) * pow(d.x(0), d.x(1) - 1.0), d.dy() * d.y() * unroll::log(d.x(0))};
      }};
}

BaseRule matmul(Index rows, Index depth, Index columns) {
  return {.name = "matmul",
          .inputs = {{{rows, depth}}, {{depth, columns}}},
          .value = [](In in) { return unroll::matmul(in[0], in[1]); },
          .rule = [](const Given& d) -> Out {
            return {unroll::matmul(d.dy(), t(d.x(1))), unroll::matmul(t(d.x(0)), d.dy())};
          }};
}
BaseRule affine() {
  return {.name = "affine",
          .inputs = {{{2, 3}}, {{3, 2}}, {{2}}},
          .value = [](In in) { return unroll::affine(in[0], in[1], in[2]); },
          .rule = [](const Given& d) -> Out {
            return {unroll::matmul(d.dy(), t(d.x(1))), unroll::matmul(t(d.x(0)), d.dy()), d.dy()};
          }};
}
BaseRule outer() {
  return {.name = "outer",
          .inputs = {{{3}}, {{3}}},
          .value = [](In in) { return unsqueeze(in[0], 1) * in[1]; },
          .rule = [](const Given& d) -> Out {
            return {unroll::sum(d.dy() * d.x(1), 1), unroll::sum(d.dy() * unsqueeze(d.x(0), 1), 0)};
          }};
}
BaseRule attention() {
  return {.name = "attention",
          .inputs = {{{2, 3}}, {{2, 3}}, {{2, 2}}},
          .value =
              [](In in) {
                return unroll::matmul(unroll::softmax(unroll::matmul(in[0], t(in[1]))), in[2]);
              },
          .rule = [](const Given& d) -> Out {
            const Tensor p = unroll::softmax(unroll::matmul(d.x(0), t(d.x(1))));
            const Tensor dp = unroll::matmul(d.dy(), t(d.x(2)));
            const Tensor ds = p * (dp - unroll::sum(dp * p, -1, keep));
            return {unroll::matmul(ds, d.x(1)), unroll::matmul(t(ds), d.x(0)),
                    unroll::matmul(t(p), d.dy())};
          }};
}

BaseRule sum() {
  return {.name = "sum",
          .inputs = {{{3, 4}}},
          .value = [](In in) { return unroll::sum(in[0], 0); },
          .rule = [](const Given& d) -> Out { return {expand(d.dy(), d.x().shape())}; }};
}
BaseRule mean() {
  return {.name = "mean",
          .inputs = {{{3, 4}}},
          .value = [](In in) { return unroll::mean(in[0], 0); },
          .rule = [](const Given& d) -> Out { return {expand(d.dy() / 3.0, d.x().shape())}; }};
}
BaseRule prod() {
  return {.name = "prod",
          .inputs = {{{2, 3}, 0.5, 2}},
          .value = [](In in) { return unroll::prod(in[0], -1); },
          .rule = [](const Given& d) -> Out { return {unsqueeze(d.dy() * d.y(), -1) / d.x()}; }};
}
BaseRule logsumexp() {
  return {.name = "logsumexp",
          .inputs = {{{2, 3}}},
          .value = [](In in) { return unroll::logsumexp(in[0], -1); },
          .rule = [](const Given& d) -> Out {
            return {unsqueeze(d.dy(), -1) * unroll::exp(d.x() - unsqueeze(d.y(), -1))};
          }};
}
BaseRule norm() {
  return {.name = "norm",
          .inputs = {{{2, 3}, 0.3, 2}},
          .value = [](In in) { return unroll::norm(in[0], -1); },
          .rule = [](const Given& d) -> Out { return {unsqueeze(d.dy() / d.y(), -1) * d.x()}; }};
}
BaseRule softmax() {
  return {.name = "softmax",
          .inputs = {{{2, 3}}},
          .value = [](In in) { return unroll::softmax(in[0]); },
          .rule = [](const Given& d) -> Out {
            return {d.y() * (d.dy() - unroll::sum(d.dy() * d.y(), -1, keep))};
          }};
}
BaseRule log_softmax() {
  return {.name = "log_softmax",
          .inputs = {{{2, 3}}},
          .value = [](In in) { return unroll::log_softmax(in[0]); },
          .rule = [](const Given& d) -> Out {
            return {d.dy() - unroll::exp(d.y()) * unroll::sum(d.dy(), -1, keep)};
          }};
}
BaseRule layer_norm() {
  return {.name = "layer_norm",
          .inputs = {{{2, 4}}, {{4}, 0.5, 1.5}, {{4}}},
          .value = [](In in) { return unroll::layer_norm(in[0], in[1], in[2]); },
          .rule = [](const Given& d) -> Out {
            const Tensor away = d.x() - unroll::mean(d.x(), -1, keep);
            const Tensor r = rsqrt(unroll::mean(away * away, -1, keep) + 1e-5);
            const Tensor n = away * r;
            const Tensor g = d.dy() * d.x(1);
            return {r * (g - unroll::mean(g, -1, keep) - n * unroll::mean(g * n, -1, keep)),
                    d.dy() * n, d.dy()};
          }};
}
BaseRule unit() {
  return {.name = "unit",
          .inputs = {{{2, 3}, 0.3, 2}},
          .value = [](In in) { return in[0] / unroll::norm(in[0], -1, {.keepdim = true}); },
          .rule = [](const Given& d) -> Out {
            return {(d.dy() - d.y() * unroll::sum(d.dy() * d.y(), -1, keep)) /
                    unroll::norm(d.x(), -1, {.keepdim = true})};
          }};
}

BaseRule transpose() {
  return {.name = "transpose",
          .inputs = {{{3, 3}}},
          .value = [](In in) { return t(in[0]) * 1.0; },
          .rule = [](const Given& d) -> Out { return {t(d.dy())}; }};
}
BaseRule cumsum() {
  return {
      .name = "cumsum",
      .inputs = {{{4, 2}}},
      .value = [](In in) { return unroll::cumsum(in[0], 0); },
      .rule = [](const Given& d) -> Out { return {unroll::cumsum(d.dy(), 0, {.reverse = true})}; }};
}
BaseRule difference() {
  return {
      .name = "difference",
      .inputs = {{{4, 2}}},
      .value = [](In in) { return slice(in[0], {.from = 1}) - slice(in[0], {.to = 3}); },
      .rule = [](const Given& d) -> Out {
        return {pad(d.dy(), {{.axis = 0, .before = 1}}) - pad(d.dy(), {{.axis = 0, .after = 1}})};
      }};
}
BaseRule concat() {
  return {.name = "concat",
          .inputs = {{{2, 3}}, {{2, 3}}},
          .value = [](In in) { return unroll::concat(in, 0); },
          .rule = [](const Given& d) -> Out {
            return {slice(d.dy(), {.to = 2}), slice(d.dy(), {.from = 2})};
          }};
}
BaseRule rows() {
  const Tensor ids = tensor({2, 0, 2, 3});
  return {.name = "rows",
          .inputs = {{{4, 2}}},
          .value = [ids](In in) { return index_select(in[0], ids); },
          .rule = [ids](const Given& d) -> Out {
            return {index_add(zeros_like(d.x()), 0, ids, d.dy())};
          }};
}

BaseRule mse() {
  return {.name = "mse",
          .inputs = {{{2, 3}, 1, 2}, {{2, 3}, -1, 0.5}},
          .value = [](In in) { return unroll::mse(in[0], in[1]); },
          .rule = [](const Given& d) -> Out {
            const Tensor g = d.dy() * (2.0 / 6.0) * (d.x(0) - d.x(1));
            return {g, -g};
          }};
}
BaseRule cross_entropy() {
  const Tensor ids = tensor({1, 0, 3});
  return {.name = "cross_entropy",
          .inputs = {{{3, 4}}},
          .value = [ids](In in) { return unroll::cross_entropy(in[0], ids); },
          .rule = [ids](const Given& d) -> Out {
            return {d.dy() / 3.0 * (unroll::softmax(d.x()) - one_hot(ids, 4, d.x().dtype()))};
          }};
}

}  // namespace unroll::test::base
