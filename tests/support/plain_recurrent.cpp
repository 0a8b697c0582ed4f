#include "support/plain_recurrent.h"

#include <algorithm>
#include <cmath>

namespace unroll::test {
namespace {

using Kind = PlainNetwork::Kind;

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

long double logistic(long double x) { return 1 / (1 + std::exp(-x)); }

// The numbers of one layer; null where there are none.
struct Weights {
  Weights(const PlainNetwork& network, Index layer, Index inputs_of_layer, Index columns_of_all)
      : n(network), inputs(inputs_of_layer), columns(columns_of_all) {
    const auto find = [&](const char* name) -> const long double* {
      const auto found = n.values.find(std::to_string(layer) + ".forward." + name);
      return found == n.values.end() ? nullptr : found->second.data();
    };
    Wx = find("Wx");
    Wh = find("Wh");
    b = find("b");
    b_recurrent = find("b_recurrent");
  }
  long double from_input(const long double* x, Index column) const {
    long double sum = b == nullptr ? 0 : b[column];
    for (Index k = 0; k < inputs; ++k) sum += x[k] * Wx[k * columns + column];
    return sum;
  }
  long double from_state(const long double* h, Index column) const {
    long double sum = b_recurrent == nullptr ? 0 : b_recurrent[column];
    for (Index k = 0; k < n.hidden; ++k) sum += h[k] * Wh[k * columns + column];
    return sum;
  }

  const PlainNetwork& n;
  Index inputs, columns;
  const long double *Wx, *Wh, *b, *b_recurrent;
};

// One step of one row: reads h and c, writes the next ones.
void step(const Weights& w, const long double* x, const long double* h, const long double* c,
          long double* next_h, long double* next_c) {
  const Index H = w.n.hidden;
  for (Index j = 0; j < H; ++j) {
    const auto sum = [&](Index block) {
      return w.from_input(x, block * H + j) + w.from_state(h, block * H + j);
    };
    switch (w.n.kind) {
      case Kind::rnn_tanh:
        next_h[j] = std::tanh(sum(0));
        break;
      case Kind::rnn_relu:
        next_h[j] = std::max(0.0L, sum(0));
        break;
      case Kind::lstm:
        next_c[j] = logistic(sum(1)) * c[j] + logistic(sum(0)) * std::tanh(sum(2));
        next_h[j] = logistic(sum(3)) * std::tanh(next_c[j]);
        break;
      case Kind::gru: {
        const long double r = logistic(sum(0));
        const long double z = logistic(sum(1));
        const long double candidate =
            std::tanh(w.from_input(x, 2 * H + j) + r * w.from_state(h, 2 * H + j));
        next_h[j] = (1 - z) * candidate + z * h[j];
      }
    }
  }
}

Index blocks(Kind kind) { return kind == Kind::lstm ? 4 : kind == Kind::gru ? 3 : 1; }

Numbers state_or_zeros(const PlainNetwork& n, const std::string& name) {
  const auto found = n.values.find(name);
  return found == n.values.end() ? Numbers(at(n.layers * n.batch * n.hidden), 0) : found->second;
}

}  // namespace

PlainOutput run(const PlainNetwork& n) {
  PlainOutput out{
      .outputs = n.values.at("x"), .h = state_or_zeros(n, "h0"), .c = state_or_zeros(n, "c0")};
  for (Index layer = 0; layer < n.layers; ++layer) {
    const Index inputs = layer == 0 ? n.input : n.hidden;
    const Weights w(n, layer, inputs, blocks(n.kind) * n.hidden);
    if (layer > 0 && !n.masks.empty())
      for (std::size_t i = 0; i < out.outputs.size(); ++i)
        out.outputs[i] *= n.masks[at(layer - 1)][i];
    Numbers y(at(n.steps * n.batch * n.hidden));
    for (Index b = 0; b < n.batch; ++b) {
      long double* const h = out.h.data() + (layer * n.batch + b) * n.hidden;
      long double* const c = out.c.data() + (layer * n.batch + b) * n.hidden;
      for (Index t = 0; t < n.steps; ++t) {
        Numbers next_h(at(n.hidden)), next_c(at(n.hidden));
        step(w, out.outputs.data() + (t * n.batch + b) * inputs, h, c, next_h.data(),
             next_c.data());
        std::copy(next_h.begin(), next_h.end(), h);
        std::copy(next_c.begin(), next_c.end(), c);
        std::copy(next_h.begin(), next_h.end(), y.begin() + (t * n.batch + b) * n.hidden);
      }
    }
    out.outputs = std::move(y);
  }
  return out;
}

Tensor plain_gradient(const PlainNetwork& network, const std::string& name, const Shape& shape,
                      const PlainLoss& loss) {
  PlainNetwork n = network;
  Numbers& point = n.values.at(name);
  Numbers gradient(point.size());
  for (std::size_t i = 0; i < point.size(); ++i) {
    const long double here = point[i];
    const auto slope = [&](long double step) {
      point[i] = here + step;
      const long double above = loss(run(n));
      point[i] = here - step;
      return (above - loss(run(n))) / (2 * step);
    };
    constexpr long double h = 1.0L / 256;
    const long double d1 = slope(h), d2 = slope(h / 2), d4 = slope(h / 4);
    const long double e1 = (4 * d2 - d1) / 3, e2 = (4 * d4 - d2) / 3;
    gradient[i] = (16 * e2 - e1) / 15;
    point[i] = here;
  }
  return tensor_of(gradient, shape);
}

Numbers plain(const Tensor& x) {
  const auto all = values(x);
  return {all.begin(), all.end()};
}

Tensor tensor_of(const Numbers& x, const Shape& shape) {
  const std::vector<double> all(x.begin(), x.end());
  return from(std::span<const double>(all), shape);
}

}  // namespace unroll::test
