#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/pointwise.h>
#include <unroll/nn/gru.h>

namespace unroll::nn {
namespace {

constexpr auto gru_step = [](auto pr, auto pz, auto pn, auto qr, auto qz, auto qn, auto h) {
  auto n = tanh(pn + sigmoid(pr + qr) * qn);
  return n + sigmoid(pz + qz) * (h - n);
};

constexpr auto gated = [](auto gate, auto h) { return sigmoid(gate) * h; };

constexpr auto keep_by_gate = [](auto z, auto n, auto h) {
  auto candidate = tanh(n);
  return candidate + sigmoid(z) * (h - candidate);
};

constexpr auto change_by_gate = [](auto f, auto n, auto h) {
  return h + sigmoid(f) * (tanh(n) - h);
};

}  // namespace

GRUForm::GRUForm(Options o, Index gates, const char* name, const char* hint)
    : GatedCell({.kind = name,
                 .hint = hint,
                 .input = o.input,
                 .hidden = o.hidden,
                 .gates = gates,
                 .biases = o.biases},
                {.input = o.init, .recurrent = o.recurrent_init}),
      options(std::move(o)) {}

GRUState GRUForm::initial_state(Index batch) const {
  return {.h = zeros({batch, options.hidden}, dtype())};
}

GRUCell::GRUCell(Options o) : GRUForm(std::move(o), 3) {}

Tensor GRUCell::project(const Tensor& x, const RecurrentWeights& w) const {
  return project_input(x, w, detail::or_undefined(b));
}

GRUState GRUCell::step(const Tensor& projected, const State& s, const RecurrentWeights& w) const {
  const Tensor recurrent =
      w.product(s.h, detail::or_undefined(b_recurrent));  // [B×3H] = [B×H]·[H×3H]
  const auto [pr, pz, pn] = split<3>(projected, -1);
  const auto [qr, qz, qn] = split<3>(recurrent, -1);
  return {.h = pointwise(gru_step, pr, pz, pn, qr, qz, qn, s.h)};
}

ResetFirstGRUCell::ResetFirstGRUCell(Options o) : GRUForm(std::move(o), 3) {}

auto ResetFirstGRUCell::begin(Index /*batch*/) const -> Weights {
  return split_last(options.hidden);
}

Tensor ResetFirstGRUCell::project(const Tensor& x, const Weights& w) const {
  return GatedCell::project(x, w[0]);
}

GRUState ResetFirstGRUCell::step(const Tensor& projected, const State& s, const Weights& w) const {
  const Index n = options.hidden;
  const auto [gates, candidate] = split(projected, {2 * n, n}, -1);
  const auto [r, z] = split<2>(w[0].product(s.h, gates), -1);
  const Tensor sum = w[1].product(pointwise(gated, r, s.h), candidate);
  return {.h = pointwise(keep_by_gate, z, sum, s.h)};
}

MGUCell::MGUCell(Options o) : GRUForm(std::move(o), 2, kind, layer_hint) {}

auto MGUCell::begin(Index /*batch*/) const -> Weights { return split_last(options.hidden); }

Tensor MGUCell::project(const Tensor& x, const Weights& w) const {
  return GatedCell::project(x, w[0]);
}

GRUState MGUCell::step(const Tensor& projected, const State& s, const Weights& w) const {
  const auto [gate, candidate] = split<2>(projected, -1);
  const Tensor f = w[0].product(s.h, gate);
  const Tensor sum = w[1].product(pointwise(gated, f, s.h), candidate);
  return {.h = pointwise(change_by_gate, f, sum, s.h)};
}

template class Recurrent<GRUCell>;

}  // namespace unroll::nn
