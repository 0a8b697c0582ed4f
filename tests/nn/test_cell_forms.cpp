// Cells, wrappers in evaluation and what goes between layers, against the formulas of the papers on
// plain numbers; gradients against those numbers with a derivative carried along.
#include <boost/test/unit_test.hpp>

#include "nn/cell_formulas.h"
#include "support/numeric.h"
#include "support/recurrent_layers.h"

namespace unroll::test {
namespace {

constexpr double for_values = 1e-13;
constexpr double for_gradients = 1e-11;
constexpr Index steps = 4, batch = 2;

template <class N>
std::vector<Row<N>> sequence_of(const Tensor& x, Index row) {
  std::vector<Row<N>> all;
  for (Index t = 0; t < x.size(0); ++t) {
    Row<N> one;
    for (const double v : values(select(select(x, 0, t), 0, row))) one.push_back(N(v));
    all.push_back(one);
  }
  return all;
}

template <class N>
Parameters<N> parameters_of(const nn::Module& layer) {
  Parameters<N> all;
  for (const auto& [path, p] : layer.parameters()) {
    Matrix<N>& m = all[path];
    m.rows = p.rank() == 2 ? static_cast<std::size_t>(p.size(0)) : 1;
    m.columns = static_cast<std::size_t>(p.size(-1));
    for (const double v : values(p)) m.values.push_back(N(v));
  }
  return all;
}

// Σ w · outputs + Σ w · memories over all rows, with the weights of weighted_sum.
template <class N>
N loss_of(const std::vector<Answer<N>>& rows, const std::vector<Tensor>& weights) {
  N total(0.0);
  for (std::size_t b = 0; b < rows.size(); ++b) {
    const auto add = [&](const Row<N>& y, const Tensor& w) {
      const auto by = values(w);
      BOOST_REQUIRE(by.size() == y.size());
      for (std::size_t i = 0; i < y.size(); ++i) total = total + y[i] * N(by[i]);
    };
    const auto row = static_cast<Index>(b);
    for (std::size_t t = 0; t < rows[b].outputs.size(); ++t)
      add(rows[b].outputs[t], select(select(weights[0], 0, static_cast<Index>(t)), 0, row));
    std::size_t next = 1;
    for (const auto& memory : rows[b].memories)
      for (const auto& part : memory) add(part, select(weights.at(next++), 0, row));
  }
  return total;
}

// A layer, all its values and gradients, against make.operator()<N>(), the same on plain numbers.
template <class Layer, class Make>
void agree(Layer& layer, const Make& make) {
  layer.to(f64);
  randomize(layer, 5, 0.9);
  const Tensor input = random_values({steps, batch, layer.options.input}, 1);
  Tape tape({.training = false});
  const Tensor x = tape.watch(input);
  const auto out = layer(x);
  std::vector<Tensor> weights{random_values(out.outputs.shape(), 77)};
  for (const Tensor& s : tensors_of(out.state))
    weights.push_back(random_values(s.shape(), 77 + weights.size()));

  const auto plain = make.template operator()<double>();
  const auto p = parameters_of<double>(layer);
  for (Index b = 0; b < batch; ++b) {
    const auto answer = plain(p, sequence_of<double>(input, b));
    const auto check = [&](const Tensor& ours, const Row<double>& theirs, const char* what) {
      const Tensor expected = from(std::span<const double>(theirs), {std::ssize(theirs)});
      BOOST_TEST_CONTEXT(what)
      BOOST_TEST(disagreement(contiguous(ours), expected, {.relative = for_values}) == "");
    };
    for (Index t = 0; t < steps; ++t)
      check(select(select(out.outputs, 0, t), 0, b), answer.outputs[static_cast<std::size_t>(t)],
            "outputs");
    std::size_t next = 0;
    const auto states = tensors_of(out.state);
    for (const auto& memory : answer.memories)
      for (const auto& part : memory) check(select(states.at(next++), 0, b), part, "state");
    BOOST_TEST(next == states.size());
  }

  std::vector<std::string> names{"input"};
  std::vector<Tensor> leaves{x};
  for (const auto& [path, parameter] : layer.parameters()) {
    names.push_back(path);
    leaves.push_back(parameter);
  }
  const auto gradients = tape.gradient(weighted_sum(out), leaves);
  const auto dual = make.template operator()<Dual>();
  auto q = parameters_of<Dual>(layer);
  std::vector<std::vector<Row<Dual>>> rows;
  for (Index b = 0; b < batch; ++b) rows.push_back(sequence_of<Dual>(input, b));
  const auto slope_by = [&](Dual& of) {
    of.slope = 1;
    std::vector<Answer<Dual>> answers;
    for (const auto& row : rows) answers.push_back(dual(q, row));
    of.slope = 0;
    return loss_of<Dual>(answers, weights).slope;
  };
  for (std::size_t k = 0; k < leaves.size(); ++k) {
    std::vector<double> slopes;
    if (k == 0) {
      for (Index t = 0; t < steps; ++t)
        for (auto& row : rows)
          for (Dual& v : row[static_cast<std::size_t>(t)]) slopes.push_back(slope_by(v));
    } else {
      for (Dual& v : q.at(names[k]).values) slopes.push_back(slope_by(v));
    }
    const Tensor expected = from(std::span<const double>(slopes), leaves[k].shape());
    BOOST_TEST_CONTEXT("gradient of " << names[k])
    BOOST_TEST(disagreement(gradients[k], expected, {.relative = for_gradients}) == "");
  }
}

template <class S>
void agree_with_step(auto&& layer, const S& step, const std::vector<std::size_t>& sizes,
                     std::size_t output_at = 0) {
  agree(layer, [&]<class N>() { return one_layer<N>(Step<N>(step), sizes, output_at); });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(cell_forms)

BOOST_AUTO_TEST_CASE(plain_lstm) {
  agree_with_step(nn::LSTM({.input = 2, .hidden = 3, .biases = 2}), LstmStep(), {3, 3});
}
BOOST_AUTO_TEST_CASE(peepholes) {
  agree_with_step(nn::Recurrent<nn::PeepholeLSTMCell>({.input = 2, .hidden = 3}), PeepholeStep(),
                  {3, 3});
}
BOOST_AUTO_TEST_CASE(peepholes_with_projection) {
  agree_with_step(nn::Recurrent<nn::PeepholeLSTMCell>(
                      {.input = 3, .hidden = 4, .biases = 0, .cell = {.projection = 2}}),
                  PeepholeStep(), {2, 4});
}
BOOST_AUTO_TEST_CASE(coupled) {
  agree_with_step(nn::Recurrent<nn::CoupledLSTMCell>({.input = 2, .hidden = 3}), CoupledStep(),
                  {3, 3});
}
BOOST_AUTO_TEST_CASE(layer_norm_lstm) {
  agree_with_step(nn::Recurrent<nn::LayerNormLSTMCell>({.input = 2, .hidden = 3}),
                  LayerNormLstmStep(), {3, 3});
}
BOOST_AUTO_TEST_CASE(reset_first) {
  agree_with_step(nn::Recurrent<nn::ResetFirstGRUCell>({.input = 2, .hidden = 3}), ResetFirstStep(),
                  {3});
  agree_with_step(nn::Recurrent<nn::ResetFirstGRUCell>({.input = 2, .hidden = 3, .biases = 2}),
                  ResetFirstStep(), {3});
}
BOOST_AUTO_TEST_CASE(minimal_gated_unit) {
  agree_with_step(nn::Recurrent<nn::MGUCell>({.input = 2, .hidden = 3}), MguStep(), {3});
}
BOOST_AUTO_TEST_CASE(layer_normed_gru) {
  agree_with_step(nn::Recurrent<nn::LayerNormed<nn::GRUCell>>({.input = 2, .hidden = 3}),
                  LayerNormedGruStep(), {3});
}
BOOST_AUTO_TEST_CASE(zoneout_in_evaluation) {
  agree_with_step(nn::Recurrent<nn::Zoneout<nn::LSTMCell>>(
                      {.input = 2, .hidden = 3, .cell = {.h_rate = 0.3, .c_rate = 0.2}}),
                  ZoneoutStep{0.3, 0.2}, {3, 3});
}
BOOST_AUTO_TEST_CASE(stack_of_unlike_cells) {
  using Layer = nn::Recurrent<nn::Stack<nn::MGUCell, nn::PeepholeLSTMCell>>;
  agree_with_step(Layer({.input = 2, .hidden = 3}), StackStep(), {3, 3, 3}, 1);
}

BOOST_AUTO_TEST_CASE(between_layers) {
  for (const bool bidirectional : {false, true})
    for (const nn::Join join : {nn::Join::concat, nn::Join::sum})
      for (const nn::Skip skip : {nn::Skip::none, nn::Skip::residual, nn::Skip::highway})
        for (const bool learned : {false, true}) {
          if (!bidirectional && join == nn::Join::sum) continue;
          const Between o{bidirectional, join, skip, learned};
          nn::RNN layer({.input = 2,
                         .hidden = 3,
                         .layers = 2,
                         .bidirectional = bidirectional,
                         .join = join,
                         .skip = skip,
                         .learn_initial = learned});
          BOOST_TEST_CONTEXT(bidirectional << static_cast<int>(join) << static_cast<int>(skip)
                                           << learned)
          agree(layer, [&]<class N>() {
            return Network<N>([&](const Parameters<N>& p, const std::vector<Row<N>>& x) {
              return two_layers<N>(o, p, x);
            });
          });
        }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
