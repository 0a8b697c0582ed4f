#include "support/made_cells.h"

namespace unroll::test {
namespace {

using In = std::span<const Tensor>;
using Out = std::vector<Tensor>;

Tensor t(const Tensor& x) { return transpose(x, 0, 1); }
Tensor bend(const Tensor& y) { return 1.0 - y * y; }
Tensor gate_slope(const Tensor& y) { return y * (1.0 - y); }

}  // namespace

BaseRule elman_step() {
  return {.name = "elman cell",
          .inputs = {},
          .value = [](In in) { return tanh(in[0] + matmul(in[1], in[2])); },
          .rule = [](const Given& d) -> Out {
            const Tensor dp = d.dy() * bend(d.y());
            return {dp, matmul(dp, t(d.x(2))), matmul(t(d.x(1)), dp)};
          }};
}

BaseRule lstm_cell_step() {
  return {.name = "lstm cell",
          .inputs = {},
          .value =
              [](In in) {
                const auto [i, f, g, o] = split<4>(in[0] + matmul(in[1], in[2]), -1);
                const Tensor c = sigmoid(f) * in[3] + sigmoid(i) * tanh(g);
                return concat({sigmoid(o) * tanh(c), c}, -1);
              },
          .rule = [](const Given& d) -> Out {
            const auto pre = split<4>(d.x(0) + matmul(d.x(1), d.x(2)), -1);
            const Tensor i = sigmoid(pre[0]);
            const Tensor f = sigmoid(pre[1]);
            const Tensor g = tanh(pre[2]);
            const Tensor o = sigmoid(pre[3]);
            const Tensor tc = tanh(f * d.x(3) + i * g);
            const auto [dh, direct] = split<2>(d.dy(), -1);
            const Tensor dc = direct + dh * o * bend(tc);
            const Tensor dp = concat({dc * g * gate_slope(i), dc * d.x(3) * gate_slope(f),
                                      dc * i * bend(g), dh * tc * gate_slope(o)},
                                     -1);
            return {dp, matmul(dp, t(d.x(2))), matmul(t(d.x(1)), dp), dc * f};
          }};
}

}  // namespace unroll::test
