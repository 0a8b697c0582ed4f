#pragma once

#include <cmath>

#include "support/reference_cells.h"

// The steps of cells, and what goes between layers, as the papers write them.
namespace unroll::test {

// x·Wx + h·Wh and all biases.
template <class N>
Row<N> sums(const Parameters<N>& p, const std::string& at, const Row<N>& x, const Row<N>& h) {
  Row<N> y = product(x, p.at(at + "Wx")) + product(h, p.at(at + "Wh"));
  for (const char* b : {"b", "b_recurrent"})
    if (p.contains(at + b)) y = y + p.at(at + b).values;
  return y;
}

// The columns of one of several gates.
template <class N>
Matrix<N> columns(const Matrix<N>& W, std::size_t which, std::size_t of) {
  Matrix<N> part{.rows = W.rows, .columns = W.columns / of, .values = {}};
  for (std::size_t i = 0; i < W.rows; ++i)
    for (std::size_t j = 0; j < part.columns; ++j)
      part.values.push_back(W(i, which * part.columns + j));
  return part;
}

template <class N>
Row<N> each(const Row<N>& x, N (*f)(const N&)) {
  Row<N> y;
  for (const N& v : x) y.push_back(f(v));
  return y;
}
template <class N>
N hyperbolic(const N& x) {
  using std::tanh;
  return tanh(x);
}
template <class N>
Row<N> complement(const Row<N>& x) {
  Row<N> y;
  for (const N& v : x) y.push_back(N(1.0) - v);
  return y;
}

struct RnnStep {
  template <class N>
  Memory<N> operator()(const Parameters<N>& p, const std::string& at, const Row<N>& x,
                       const Memory<N>& m) const {
    return {each(sums(p, at, x, m[0]), hyperbolic<N>)};
  }
};

struct LstmStep {
  template <class N>
  Memory<N> operator()(const Parameters<N>& p, const std::string& at, const Row<N>& x,
                       const Memory<N>& m) const {
    return finish(sums(p, at, x, m[0]), m[1]);
  }
  template <class N>
  static Memory<N> finish(const Row<N>& a, const Row<N>& c0) {
    const Row<N> i = each(block(a, 0, 4), logistic<N>), f = each(block(a, 1, 4), logistic<N>);
    const Row<N> g = each(block(a, 2, 4), hyperbolic<N>), o = each(block(a, 3, 4), logistic<N>);
    const Row<N> c = times(f, c0) + times(i, g);
    return {times(o, each(c, hyperbolic<N>)), c};
  }
};

struct PeepholeStep {
  template <class N>
  Memory<N> operator()(const Parameters<N>& p, const std::string& at, const Row<N>& x,
                       const Memory<N>& m) const {
    const Row<N> a = sums(p, at, x, m[0]);
    const auto peep = [&](const char* name, const Row<N>& c) {
      return times(p.at(at + name).values, c);
    };
    const Row<N> i = each(block(a, 0, 4) + peep("pi", m[1]), logistic<N>);
    const Row<N> f = each(block(a, 1, 4) + peep("pf", m[1]), logistic<N>);
    const Row<N> c = times(f, m[1]) + times(i, each(block(a, 2, 4), hyperbolic<N>));
    const Row<N> o = each(block(a, 3, 4) + peep("po", c), logistic<N>);
    const Row<N> h = times(o, each(c, hyperbolic<N>));
    return {p.contains(at + "Wp") ? product(h, p.at(at + "Wp")) : h, c};
  }
};

struct CoupledStep {
  template <class N>
  Memory<N> operator()(const Parameters<N>& p, const std::string& at, const Row<N>& x,
                       const Memory<N>& m) const {
    const Row<N> a = sums(p, at, x, m[0]);
    const Row<N> f = each(block(a, 0, 3), logistic<N>), o = each(block(a, 2, 3), logistic<N>);
    const Row<N> c = times(f, m[1]) + times(complement(f), each(block(a, 1, 3), hyperbolic<N>));
    return {times(o, each(c, hyperbolic<N>)), c};
  }
};

struct LayerNormLstmStep {
  template <class N>
  Memory<N> operator()(const Parameters<N>& p, const std::string& at, const Row<N>& x,
                       const Memory<N>& m) const {
    const auto norm = [&](const Row<N>& v, const std::string& name) {
      return normalized(v, p.at(at + name + ".weight"), p.at(at + name + ".bias"));
    };
    const Row<N> a = norm(product(x, p.at(at + "Wx")), "norm_input") +
                     norm(product(m[0], p.at(at + "Wh")), "norm_recurrent") + p.at(at + "b").values;
    const Memory<N> plain = LstmStep::finish(a, m[1]);
    const Row<N> o = each(block(a, 3, 4), logistic<N>);
    return {times(o, each(norm(plain[1], "norm_memory"), hyperbolic<N>)), plain[1]};
  }
};

// Cho et al. 2014, with the reset gate first.
struct ResetFirstStep {
  template <class N>
  Memory<N> operator()(const Parameters<N>& p, const std::string& at, const Row<N>& x,
                       const Memory<N>& m) const {
    const Row<N> a = sums(p, at, x, m[0]);
    const Row<N> r = each(block(a, 0, 3), logistic<N>), z = each(block(a, 1, 3), logistic<N>);
    const Row<N> with_reset = sums(p, at, x, times(r, m[0]));
    const Row<N> n = each(block(with_reset, 2, 3), hyperbolic<N>);
    return {times(complement(z), n) + times(z, m[0])};
  }
};

struct MguStep {
  template <class N>
  Memory<N> operator()(const Parameters<N>& p, const std::string& at, const Row<N>& x,
                       const Memory<N>& m) const {
    const Row<N> f = each(block(sums(p, at, x, m[0]), 0, 2), logistic<N>);
    const Row<N> n = each(block(sums(p, at, x, times(f, m[0])), 1, 2), hyperbolic<N>);
    return {times(complement(f), m[0]) + times(f, n)};
  }
};

// The reset gate after the product, with both sums normalised.
struct LayerNormedGruStep {
  template <class N>
  Memory<N> operator()(const Parameters<N>& p, const std::string& at, const Row<N>& x,
                       const Memory<N>& m) const {
    const auto norm = [&](const Row<N>& v, const std::string& name) {
      return normalized(v, p.at(at + name + ".weight"), p.at(at + name + ".bias"));
    };
    const Row<N> a = norm(product(x, p.at(at + "Wx")), "norm_input") + p.at(at + "b").values;
    const Row<N> q = norm(product(m[0], p.at(at + "Wh")), "norm_recurrent.0");
    const Row<N> r = each(block(a, 0, 3) + block(q, 0, 3), logistic<N>);
    const Row<N> z = each(block(a, 1, 3) + block(q, 1, 3), logistic<N>);
    const Row<N> n = each(block(a, 2, 3) + times(r, block(q, 2, 3)), hyperbolic<N>);
    return {times(complement(z), n) + times(z, m[0])};
  }
};

// Krueger et al. 2017 in evaluation, around an LSTM.
struct ZoneoutStep {
  double h_rate, c_rate;
  template <class N>
  Memory<N> operator()(const Parameters<N>& p, const std::string& at, const Row<N>& x,
                       const Memory<N>& m) const {
    const Memory<N> next = LstmStep()(p, at, x, m);
    const auto mix = [](const Row<N>& before, const Row<N>& after, double rate) {
      const Row<N> kept(before.size(), N(rate));
      return times(kept, before) + times(complement(kept), after);
    };
    return {mix(m[0], next[0], h_rate), mix(m[1], next[1], c_rate)};
  }
};

struct StackStep {
  template <class N>
  Memory<N> operator()(const Parameters<N>& p, const std::string& at, const Row<N>& x,
                       const Memory<N>& m) const {
    const Memory<N> low = MguStep()(p, at + "0.", x, {m[0]});
    const Memory<N> high = PeepholeStep()(p, at + "1.", low[0], {m[1], m[2]});
    return {low[0], high[0], high[1]};
  }
};

// Two layers and what is between them.
struct Between {
  bool bidirectional = false;
  nn::Join join = nn::Join::concat;
  nn::Skip skip = nn::Skip::none;
  bool learned = false;
};

template <class N>
Answer<N> two_layers(const Between& o, const Parameters<N>& p, const std::vector<Row<N>>& x) {
  const std::size_t hidden = 3;
  std::vector<Memory<N>> forward, backward;
  std::vector<Row<N>> y = x;
  for (const std::string layer : {"0.", "1."}) {
    const auto start = [&](const std::string& direction) -> Memory<N> {
      if (!o.learned) return {Row<N>(hidden, N(0.0))};
      return {p.at(layer + direction + "_initial.h").values};
    };
    const std::vector<Row<N>> below = y;
    forward.push_back(start("forward"));
    y = over_time<N>(RnnStep(), p, layer + "forward.", below, forward.back(), false);
    if (o.bidirectional) {
      backward.push_back(start("backward"));
      const auto back =
          over_time<N>(RnnStep(), p, layer + "backward.", below, backward.back(), true);
      for (std::size_t t = 0; t < y.size(); ++t) {
        if (o.join == nn::Join::sum)
          y[t] = y[t] + back[t];
        else
          y[t].insert(y[t].end(), back[t].begin(), back[t].end());
      }
    }
    for (std::size_t t = 0; t < y.size() && layer == "1."; ++t) {
      if (o.skip == nn::Skip::residual) y[t] = y[t] + below[t];
      if (o.skip == nn::Skip::highway) {
        const Row<N> gate =
            each(product(below[t], p.at("1.highway.W")) + p.at("1.highway.b").values, logistic<N>);
        y[t] = times(gate, y[t]) + times(complement(gate), below[t]);
      }
    }
  }
  forward.insert(forward.end(), backward.begin(), backward.end());
  return {.outputs = y, .memories = forward};
}

}  // namespace unroll::test
