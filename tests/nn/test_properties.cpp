// Two ways to compute the same thing, for every kind of layer: products gathered or one by one,
// gradients in place or recorded, chunks or the whole, a row alone or among others, no dropout or a
// rate of 0.
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include <boost/test/unit_test.hpp>

#include "support/numeric.h"
#include "support/recurrent_layers.h"

namespace unroll::test {
namespace {

constexpr double rounding = 1e-13;

void check_close(const Tensor& a, const Tensor& b, double relative, const std::string& what) {
  BOOST_TEST_CONTEXT(what) BOOST_TEST(disagreement(a, b, {.relative = relative}) == "");
}

template <class Layer>
void prepare(Layer& layer) {
  layer.to(f64);
  randomize(layer, 3);
}

std::vector<Tensor> leaves_of(const nn::Module& module, const Tensor& x) {
  std::vector<Tensor> leaves{x};
  for (const auto& [path, p] : module.parameters()) leaves.push_back(p);
  return leaves;
}

// The whole network differentiated in place, as in training, and with every derivative recorded,
// where no product is gathered and nothing is written in place.
template <class Layer>
void check_recorded(const typename Layer::Options& options) {
  Layer layer(options);
  prepare(layer);
  const Tensor input = random_values({6, 3, options.input}, 1);
  const std::vector<Index> lengths{6, 2, 4};
  for (const bool uneven : {false, true}) {
    Tape tape;
    const auto leaves = leaves_of(layer, tape.watch(input));
    const auto out = uneven ? layer(leaves[0], {.lengths = lengths}) : layer(leaves[0]);
    const Tensor loss = weighted_sum(out);
    const auto recorded = tape.gradient(loss, leaves, {.differentiable = true});
    const auto in_place = tape.gradient(loss, leaves);
    for (std::size_t i = 0; i < leaves.size(); ++i)
      check_close(in_place[i], detach(recorded[i]), rounding, "leaf " + std::to_string(i));
  }
}

// A sequence cut at any places, back-propagated as a whole.
template <class Layer>
void check_chunks(const typename Layer::Options& options) {
  Layer layer(options);
  prepare(layer);
  const Tensor input = random_values({13, 3, options.input}, 1);
  const auto judge = [&](const std::vector<Index>& cuts) {
    Tape tape;
    const auto leaves = leaves_of(layer, tape.watch(input));
    typename Layer::Output out;
    std::vector<Tensor> pieces;
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
      out = layer(slice(leaves[0], {.from = cuts[i], .to = cuts[i + 1]}), {.initial = out.state});
      pieces.push_back(out.outputs);
    }
    out.outputs = concat(pieces, 0);
    auto all = tape.gradient(weighted_sum(out), leaves);
    all.push_back(detach(out.outputs));
    for (const Tensor& s : tensors_of(out.state)) all.push_back(detach(s));
    return all;
  };
  const auto whole = judge({0, 13});
  for (const auto& cuts :
       {std::vector<Index>{0, 1, 13}, {0, 6, 7, 13}, {0, 0, 5, 5, 13, 13}, {0, 4, 8, 12, 13}}) {
    const auto found = judge(cuts);
    for (std::size_t i = 0; i < whole.size(); ++i)
      check_close(found[i], whole[i], rounding, "tensor " + std::to_string(i));
  }
}

// Gradients too: what a row adds to a gradient does not depend on the others.
template <class Layer>
void check_sum_of_rows(const typename Layer::Options& options) {
  Layer layer(options);
  prepare(layer);
  const Index batch = 5;
  const Tensor input = random_values({4, batch, options.input}, 1);
  const auto gradients = [&](const Tensor& x, const Tensor& w) {
    Tape tape;
    const auto leaves = leaves_of(layer, tape.watch(x));
    return tape.gradient(sum(layer(leaves[0]).outputs * w), leaves);
  };
  const Tensor w = random_values({4, batch, options.hidden}, 8);
  const auto together = gradients(input, w);
  std::vector<Tensor> total;
  for (Index b = 0; b < batch; ++b) {
    const SliceOptions row{.axis = 1, .from = b, .to = b + 1};
    const auto mine = gradients(slice(input, row), slice(w, row));
    check_close(mine[0], slice(together[0], row), rounding, "input of row " + std::to_string(b));
    for (std::size_t i = 1; i < mine.size(); ++i) {
      if (b == 0)
        total.push_back(mine[i]);
      else
        total[i - 1] = total[i - 1] + mine[i];
    }
  }
  for (std::size_t i = 0; i < total.size(); ++i)
    check_close(total[i], together[i + 1], rounding, "parameter " + std::to_string(i));
}

template <class Layer>
void check_no_rate(DType dtype) {
  const Tensor input = random_values({5, 3, 4}, 1, dtype);
  for (Index layers = 1; layers <= 4; ++layers) {
    Layer with({.input = 4, .hidden = 5, .layers = layers, .dropout = 0});
    Layer without({.input = 4, .hidden = 5, .layers = layers});
    for (Layer* layer : {&with, &without}) {
      layer->to(dtype);
      randomize(*layer, 3);
    }
    const auto step = [&](const Layer& layer, bool training) {
      Tape tape({.training = training});
      const auto leaves = leaves_of(layer, tape.watch(input));
      const auto out = layer(leaves[0]);
      auto all = tape.gradient(weighted_sum(out), leaves);
      all.push_back(detach(out.outputs));
      return all;
    };
    const auto expected = step(without, false);
    for (const auto& found : {step(with, true), step(with, false), step(without, true)})
      for (std::size_t i = 0; i < expected.size(); ++i)
        BOOST_TEST_CONTEXT(layers << " layers, tensor " << i)
    BOOST_TEST(all_equal(found[i], expected[i]));
  }
}

// Learns where it begins.
struct LearnedStartState {
  Tensor h;
};
class LearnedStartCell : public nn::Module {
 public:
  struct Options {
    Index input = 0;
    Index hidden = 0;
  };
  using State = LearnedStartState;
  explicit LearnedStartCell(Options o)
      : options(o),
        W(*this, "W", {o.input, o.hidden}, init::xavier()),
        start(*this, "start", {1, o.hidden}, init::zeros()) {}
  State step(const Tensor& x, const State& s) const { return {.h = tanh(matmul(x, W) + s.h)}; }
  State initial_state(Index batch) const { return {.h = expand(start, {batch, options.hidden})}; }

  const Options options;
  nn::Parameter W;
  nn::Parameter start;
};
static_assert(nn::Cell<LearnedStartCell>);

// Throws at an input above its limit.
class LimitedCell : public nn::Module {
 public:
  struct Options {
    Index input = 0;
    Index hidden = 0;
  };
  using State = LearnedStartState;
  explicit LimitedCell(Options o) : options(o), limit(*this, "limit", {1}, init::zeros()) {}
  State step(const Tensor& x, const State& s) const {
    if (max(x).item() > limit.item())
      fail("limited", {.given = "much", .needed = "less", .hint = {}});
    return s;
  }

  const Options options;
  nn::Parameter limit;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(properties)

BOOST_AUTO_TEST_CASE(each_direction_begins_as_its_own_cell_says) {
  nn::Recurrent<LearnedStartCell> layer(
      {.input = 2, .hidden = 3, .layers = 2, .bidirectional = true});
  randomize(layer, 3);
  const auto out = layer(zeros({0, 4, 2}));
  for (const auto& [path, p] : layer.parameters()) {
    if (!path.ends_with("start")) continue;
    const auto& states =
        path.find("forward") != std::string::npos ? out.state.forward : out.state.backward;
    const auto& state = states[path.starts_with("0") ? 0 : 1];
    BOOST_TEST(all_equal(contiguous(state.h), contiguous(expand(p, {4, 3}))), path);
  }
}

BOOST_AUTO_TEST_CASE(a_step_that_fails_backward_names_its_place_in_time) {
  nn::Recurrent<LimitedCell> layer({.input = 1, .hidden = 1, .bidirectional = true});
  for (const auto& [path, p] : layer.parameters())
    unroll::detail::overwrite(p, full({1}, path.find("forward") != std::string::npos ? 9 : 2),
                              "test");
  try {
    static_cast<void>(layer(reshape(tensor({1.0, 1.0, 1.0, 5.0, 1.0}, f32), {5, 1, 1})));
    BOOST_ERROR("nothing was thrown");
  } catch (const Error& e) {
    BOOST_TEST(e.step() == 3);
    BOOST_TEST(e.path() == "0.backward");
  }
}

// The projection of the whole sequence counts as its first step.
BOOST_AUTO_TEST_CASE(a_projection_that_fails_names_the_first_step) {
  const nn::LSTM layer({.input = 2, .hidden = 3});
  try {
    static_cast<void>(layer(zeros({5, 4, 7})));
    BOOST_ERROR("nothing was thrown");
  } catch (const Error& e) {
    BOOST_TEST(e.step() == 0);
  }
}

// Each gate has weights as wide as if it were alone: xavier's bound is that of one block.
BOOST_AUTO_TEST_CASE(input_weights_are_drawn_gate_by_gate) {
  const auto judge = [](const nn::Parameter& Wx, Index input, Index hidden) {
    const double bound = std::sqrt(6.0 / static_cast<double>(input + hidden));
    double largest = 0;
    for (const double w : values(Wx)) largest = std::max(largest, std::abs(w));
    BOOST_TEST(largest <= bound * (1 + 1e-6));
    BOOST_TEST(largest > 0.98 * bound);
  };
  seed(4);
  const nn::LSTM lstm({.input = 20, .hidden = 30});
  judge(lstm.cell(0).Wx, 20, 30);
  const nn::GRU gru({.input = 20, .hidden = 30});
  judge(gru.cell(0).Wx, 20, 30);
}

// Σ_t h_tᵀ·g_t as the backward pass gathers it, and as T thin products.
BOOST_AUTO_TEST_CASE(gathered_products_are_thin_products) {
  for (const DType dtype : {f64, f32}) {
    for (const Index steps : {1, 2, 7, 33}) {
      for (const Index batch : {1, 3, 8}) {
        BOOST_TEST_CONTEXT(name_of(dtype) << ", " << steps << " steps of " << batch) {
          const Tensor h = random_values({steps, batch, 5}, 1, dtype);
          const Tensor g = random_values({steps, batch, 7}, 2, dtype);
          const Tensor gates = random_values({steps, batch, 7}, 3, dtype);
          Tape tape;
          const Tensor W = tape.watch(random_values({5, 7}, 4, dtype));
          std::vector<Tensor> outputs;
          for (Index t = 0; t < steps; ++t)
            outputs.push_back(affine(select(h, 0, t), W, select(gates, 0, t)));
          const Tensor found = tape.gradient(stack(outputs, 0), W, {.upstream = g});
          Tensor expected = zeros({5, 7}, f64);
          for (Index t = 0; t < steps; ++t)
            expected = expected +
                       matmul(transpose(select(h, 0, t).to(f64), 0, 1), select(g, 0, t).to(f64));
          const auto ours = values(found);
          const auto theirs = values(expected);
          const double allowed =
              (dtype == f64 ? 1e-15 : 1e-6) * std::sqrt(static_cast<double>(steps * batch));
          for (std::size_t i = 0; i < ours.size(); ++i)
            BOOST_TEST(std::abs(ours[i] - theirs[i]) <= allowed, i);
        }
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(recorded_is_in_place_rnn) {
  check_recorded<nn::RNN>({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true});
  check_recorded<nn::RNN>(
      {.input = 3, .hidden = 4, .biases = 2, .cell = {.nonlinearity = nn::Nonlinearity::relu}});
}
BOOST_AUTO_TEST_CASE(recorded_is_in_place_lstm) {
  check_recorded<nn::LSTM>({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true});
  check_recorded<nn::LSTM>({.input = 3, .hidden = 4, .biases = 0});
}
BOOST_AUTO_TEST_CASE(recorded_is_in_place_gru) {
  check_recorded<nn::GRU>({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true});
  check_recorded<nn::GRU>({.input = 3, .hidden = 4, .biases = 2});
}

BOOST_AUTO_TEST_CASE(chunks_are_the_whole_rnn) {
  check_chunks<nn::RNN>({.input = 2, .hidden = 4, .layers = 2});
}
BOOST_AUTO_TEST_CASE(chunks_are_the_whole_lstm) {
  check_chunks<nn::LSTM>({.input = 2, .hidden = 4, .layers = 2});
}
BOOST_AUTO_TEST_CASE(chunks_are_the_whole_gru) {
  check_chunks<nn::GRU>({.input = 2, .hidden = 4, .layers = 2, .biases = 2});
}

BOOST_AUTO_TEST_CASE(gradients_are_sums_over_rows) {
  check_sum_of_rows<nn::RNN>({.input = 2, .hidden = 4, .layers = 2});
  check_sum_of_rows<nn::LSTM>({.input = 2, .hidden = 4, .layers = 2});
  check_sum_of_rows<nn::GRU>({.input = 2, .hidden = 4, .layers = 2});
}

// Chosen, not mixed: what a step would make of the infinity is not looked at.
BOOST_AUTO_TEST_CASE(an_ended_row_keeps_even_infinity) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  const auto judge = [](auto layer, const auto& initial) {
    layer->to(f64);
    randomize(*layer, 3);
    const std::vector<Index> lengths{0, 3};
    const auto out =
        (*layer)(random_values({4, 2, 3}, 1), {.initial = initial, .lengths = lengths});
    const auto before = tensors_of(initial);
    const auto after = tensors_of(out.state);
    for (std::size_t i = 0; i < after.size(); ++i) {
      BOOST_TEST(
          all_equal(contiguous(select(after[i], 0, 0)), contiguous(select(before[i], 0, 0))));
      for (const double v : values(select(after[i], 0, 1))) BOOST_TEST(std::isfinite(v));
    }
  };
  const Tensor h = tensor({{inf, -inf}, {0.5, 0.25}}, f64);
  judge(std::make_unique<nn::RNN>(nn::RNN::Options{.input = 3, .hidden = 2}),
        nn::RNN::State{.forward = {{.h = h}}});
  judge(std::make_unique<nn::GRU>(nn::GRU::Options{.input = 3, .hidden = 2}),
        nn::GRU::State{.forward = {{.h = h}}});
  judge(std::make_unique<nn::LSTM>(nn::LSTM::Options{.input = 3, .hidden = 2}),
        nn::LSTM::State{.forward = {{.h = h, .c = h}}});
}

BOOST_AUTO_TEST_CASE(rows_of_other_layers) {
  nn::Linear linear({.input = 3, .output = 7});
  nn::Embedding embedding({.count = 9, .size = 5});
  linear.to(f64);
  randomize(linear, 3);
  for (const Index batch : {2, 4, 7, 8, 17}) {
    const Tensor x = random_values({batch, 3}, 1);
    const Tensor y = linear(x);
    std::vector<Index> ids;
    for (Index b = 0; b < batch; ++b) ids.push_back(b * 5 % 9);
    const Tensor looked_up = embedding(from(std::span<const Index>(ids), {batch}));
    for (Index b = 0; b < batch; ++b) {
      check_close(linear(slice(x, {.from = b, .to = b + 1})), slice(y, {.from = b, .to = b + 1}),
                  rounding, "linear");
      const Index id = ids[static_cast<std::size_t>(b)];
      BOOST_TEST(all_equal(embedding(from(std::span<const Index>(&id, 1), {1})),
                           contiguous(slice(looked_up, {.from = b, .to = b + 1}))));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_rate_of_zero_changes_no_bit) {
  for (const DType dtype : {f64, f32}) {
    check_no_rate<nn::RNN>(dtype);
    check_no_rate<nn::LSTM>(dtype);
    check_no_rate<nn::GRU>(dtype);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
