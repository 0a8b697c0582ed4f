// The gradient of a gradient through unrolled layers, against differences.
#include <boost/test/unit_test.hpp>

#include "support/numeric.h"
#include "support/recurrent_layers.h"

namespace unroll::test {
namespace {

struct Case {
  Index steps = 4;
  Index batch = 2;
  std::vector<Index> lengths = {};
};

// S = Σ_k Σ w_k · ∂L/∂p_k over the input and all parameters p, for a loss L that is not linear in
// the outputs.
template <class Layer>
class SlopeOfSlopes {
 public:
  SlopeOfSlopes(Layer& layer, const Case& c) : layer_(layer), lengths_(c.lengths) {
    layer.to(f64);
    randomize(layer, 5, 0.9);
    point_.push_back(random_values({c.steps, c.batch, layer.options.input}, 11));
    for (const auto& [path, parameter] : layer.parameters()) {
      names_.push_back(path);
      parameters_.push_back(parameter);
      point_.push_back(from(std::span<const double>(values(parameter)), parameter.shape()));
    }
    Rng rng(21);
    for (const Tensor& p : point_) weights_.push_back(random_weights(p.shape(), rng));
  }

  void check(double relative) {
    Tape tape;
    const Tensor x = tape.watch(point_[0]);
    std::vector<Tensor> leaves{x};
    leaves.insert(leaves.end(), parameters_.begin(), parameters_.end());
    const auto second = tape.gradient(slope(tape, x, true), leaves);
    const Function f = [&](std::span<const Tensor> at) { return slope_at(at); };
    for (std::size_t k = 0; k < leaves.size(); ++k) {
      const Tensor analytic = detach(second[k]);
      const auto numeric = numeric_gradient(f, point_, k, full({}, 1, f64));
      BOOST_TEST_CONTEXT((k == 0 ? "input" : names_[k - 1])) {
        BOOST_TEST(numeric.error < 1e-5);
        BOOST_TEST(disagreement(analytic, numeric.gradient, {.relative = relative}) == "");
      }
    }
  }

 private:
  Tensor slope(Tape& tape, const Tensor& x, bool differentiable) const {
    const auto out = layer_(x, {.lengths = lengths_});
    Tensor loss = sum(square(out.outputs) * random_values(out.outputs.shape(), 31));
    std::uint64_t n = 40;
    for (const Tensor& s : tensors_of(out.state))
      loss = loss + sum(square(s) * s * random_values(s.shape(), ++n));
    std::vector<Tensor> leaves{x};
    leaves.insert(leaves.end(), parameters_.begin(), parameters_.end());
    const auto first = tape.gradient(loss, leaves, {.differentiable = differentiable});
    Tensor total = sum(first[0] * weights_[0]);
    for (std::size_t k = 1; k < first.size(); ++k) total = total + sum(first[k] * weights_[k]);
    return total;
  }

  Tensor slope_at(std::span<const Tensor> at) const {
    for (std::size_t k = 0; k < parameters_.size(); ++k)
      unroll::detail::overwrite(parameters_[k], at[k + 1], "difference");
    Tape tape;
    return detach(slope(tape, tape.watch(at[0]), false));
  }

  Layer& layer_;
  std::vector<Index> lengths_;
  std::vector<Tensor> point_;  // the input, then the parameters
  std::vector<std::string> names_;
  std::vector<Tensor> parameters_;
  std::vector<Tensor> weights_;
};

template <class Layer>
void check(typename Layer::Options options, const Case& c) {
  options.input = 2;
  options.hidden = 2;
  options.layers = 2;
  options.bidirectional = true;
  Layer layer(options);
  SlopeOfSlopes<Layer>(layer, c).check(1e-6);
}

const Case full_length{.steps = 3};
const Case uneven{.steps = 5, .batch = 3, .lengths = {3, 5, 1}};

}  // namespace

BOOST_AUTO_TEST_SUITE(recurrent_second_order)

BOOST_AUTO_TEST_CASE(rnn) { check<nn::RNN>({}, full_length); }
BOOST_AUTO_TEST_CASE(rnn_with_lengths) { check<nn::RNN>({.biases = 2}, uneven); }
BOOST_AUTO_TEST_CASE(lstm) { check<nn::LSTM>({}, full_length); }
BOOST_AUTO_TEST_CASE(lstm_with_lengths) { check<nn::LSTM>({}, uneven); }
BOOST_AUTO_TEST_CASE(gru) { check<nn::GRU>({.biases = 2}, full_length); }
BOOST_AUTO_TEST_CASE(gru_with_lengths) { check<nn::GRU>({}, uneven); }

BOOST_AUTO_TEST_CASE(projection) { check<nn::LSTM>({.cell = {.projection = 1}}, full_length); }
BOOST_AUTO_TEST_CASE(peepholes) { check<nn::Recurrent<nn::PeepholeLSTMCell>>({}, full_length); }
BOOST_AUTO_TEST_CASE(coupled) { check<nn::Recurrent<nn::CoupledLSTMCell>>({}, full_length); }
BOOST_AUTO_TEST_CASE(layer_norm_lstm) {
  // Wide enough that no variance is near 0, where differences are of no use.
  using Layer = nn::Recurrent<nn::LayerNormLSTMCell>;
  Layer layer({.input = 2, .hidden = 5});
  SlopeOfSlopes<Layer>(layer, {.steps = 2, .batch = 1}).check(1e-6);
}
BOOST_AUTO_TEST_CASE(reset_first) { check<nn::Recurrent<nn::ResetFirstGRUCell>>({}, full_length); }
BOOST_AUTO_TEST_CASE(minimal_gated_unit) { check<nn::Recurrent<nn::MGUCell>>({}, full_length); }
BOOST_AUTO_TEST_CASE(zoneout) {
  using Layer = nn::Recurrent<nn::Zoneout<nn::GRUCell>>;
  Layer layer({.input = 2, .hidden = 2, .layers = 2, .cell = {.h_rate = 0.3}});
  layer.eval();  // masks are drawn anew in every evaluation, expectations are not
  SlopeOfSlopes<Layer>(layer, full_length).check(1e-6);
}
BOOST_AUTO_TEST_CASE(between_layers) {
  check<nn::RNN>({.join = nn::Join::sum, .skip = nn::Skip::highway, .learn_initial = true}, uneven);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
