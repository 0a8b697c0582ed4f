#include "support/base_rules.h"

namespace unroll::test::base {
namespace {

using In = std::span<const Tensor>;
using Out = std::vector<Tensor>;

Tensor bend(const Tensor& y) { return 1.0 - y * y; }          // tanh'
Tensor gate_slope(const Tensor& y) { return y * (1.0 - y); }  // sigmoid'

// 1 where step t of a row is valid, [B, 1].
Tensor valid(const std::vector<Index>& lengths, Index step, Index batch, DType dtype) {
  if (lengths.empty()) return ones({batch, 1}, dtype);
  std::vector<double> mask;
  for (const Index length : lengths) mask.push_back(step < length ? 1 : 0);
  return from(std::span<const double>(mask), {batch, 1}).to(dtype);
}

}  // namespace

BaseRule lstm_step() {
  const auto gates_of = [](const Tensor& gates, const Tensor& bias) {
    return split<4>(gates + bias, -1);
  };
  return {.name = "lstm step",
          .inputs = {{{2, 8}}, {{8}, -1, 1}, {{2, 2}, 0.3, 1.5}},
          .value =
              [gates_of](In in) {
                const auto [i, f, g, o] = gates_of(in[0], in[1]);
                const Tensor c = unroll::sigmoid(f) * in[2] + unroll::sigmoid(i) * unroll::tanh(g);
                return unroll::concat({unroll::sigmoid(o) * unroll::tanh(c), c}, -1);
              },
          .rule = [gates_of](const Given& d) -> Out {
            const auto pre = gates_of(d.x(0), d.x(1));
            const Tensor i = unroll::sigmoid(pre[0]);
            const Tensor f = unroll::sigmoid(pre[1]);
            const Tensor g = unroll::tanh(pre[2]);
            const Tensor o = unroll::sigmoid(pre[3]);
            const Tensor tc = unroll::tanh(f * d.x(2) + i * g);
            const auto [dh, direct] = split<2>(d.dy(), -1);
            const Tensor dc = direct + dh * o * bend(tc);
            const Tensor dgates =
                unroll::concat({dc * g * gate_slope(i), dc * d.x(2) * gate_slope(f),
                                dc * i * bend(g), dh * tc * gate_slope(o)},
                               -1);
            return {dgates, dgates, dc * f};
          }};
}

BaseRule gru_step() {
  return {.name = "gru step",
          .inputs = {{{2, 6}}, {{2, 2}, 0.3, 1.5}, {{2, 2}}},
          .value =
              [](In in) {
                const auto [r, z, n] = split<3>(in[0], -1);
                const Tensor update = unroll::sigmoid(z);
                const Tensor fresh = unroll::tanh(n + unroll::sigmoid(r) * in[1]);
                return (1.0 - update) * fresh + update * in[2];
              },
          .rule = [](const Given& d) -> Out {
            const auto pre = split<3>(d.x(0), -1);
            const Tensor r = unroll::sigmoid(pre[0]);
            const Tensor z = unroll::sigmoid(pre[1]);
            const Tensor n = unroll::tanh(pre[2] + r * d.x(1));
            const Tensor dn = d.dy() * (1.0 - z) * bend(n);
            return {
                unroll::concat(
                    {dn * d.x(1) * gate_slope(r), d.dy() * (d.x(2) - n) * gate_slope(z), dn}, -1),
                dn * r, d.dy() * z};
          }};
}

BaseRule recurrent(InTime mistake, std::vector<Index> lengths) {
  const auto value = [lengths](In in) {
    const Index steps = in[0].size(0);
    std::vector<Tensor> all;
    Tensor h = in[2];
    for (Index t = 0; t < steps; ++t) {
      const Tensor m = valid(lengths, t, h.size(0), h.dtype());
      const Tensor fresh = unroll::tanh(select(in[0], 0, t) + unroll::matmul(h, in[1]));
      h = m * fresh + (1.0 - m) * h;
      all.push_back(h);
    }
    return unroll::stack(all, 0);
  };
  const auto rule = [mistake, lengths](const Given& d) -> Out {
    const Index steps = d.x(0).size(0);
    const Tensor y = d.y();
    std::vector<Tensor> dx(static_cast<std::size_t>(steps));
    Tensor dW, dh = zeros_like(d.x(2));
    for (Index t = steps - 1; t >= 0; --t) {
      const Tensor h = select(y, 0, t);
      const Tensor before = t == 0 ? d.x(2) : select(y, 0, t - 1);
      const Tensor m = mistake == InTime::mask_ignored ? ones({h.size(0), 1}, h.dtype())
                                                       : valid(lengths, t, h.size(0), h.dtype());
      const Tensor flown = select(d.dy(), 0, t) + dh;
      const Tensor pre = m * flown * bend(h);
      const Tensor factor = mistake == InTime::off_by_one ? h : before;
      const Tensor part = unroll::matmul(unroll::transpose(factor, 0, 1), pre);
      if (!dW.defined() || mistake == InTime::last_step_only)
        dW = part;
      else
        dW = dW + part;
      dx[static_cast<std::size_t>(t)] = mistake == InTime::padding_leaks ? flown * bend(h) : pre;
      dh = unroll::matmul(pre, unroll::transpose(d.x(1), 0, 1)) + (1.0 - m) * flown;
      if (mistake == InTime::truncated) dh = zeros_like(dh);
    }
    if (mistake == InTime::stale_state) dh = unroll::matmul(dh, unroll::transpose(d.x(1), 0, 1));
    return {unroll::stack(dx, 0), dW, dh};
  };
  return {.name = lengths.empty() ? "recurrent" : "recurrent with lengths",
          .inputs = {{{3, 2, 2}, -1, 1}, {{2, 2}, 0.4, 1}, {{2, 2}, 0.2, 1}},
          .value = value,
          .rule = rule};
}

}  // namespace unroll::test::base
