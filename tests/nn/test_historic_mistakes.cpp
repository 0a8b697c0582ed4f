// Mistakes that recurrent layers elsewhere were shipped with, one test for each, in the form that
// would have found it. What is right is computed plainly, in long double, or known in closed form.
#include <algorithm>
#include <cmath>

#include <boost/test/unit_test.hpp>

#include "support/leaves.h"
#include "support/numeric.h"
#include "support/plain_recurrent.h"
#include "support/recurrent_layers.h"
#include "support/same_bits.h"

namespace unroll::test {
namespace {

using Kind = PlainNetwork::Kind;

void check_close(const Tensor& a, const Tensor& b, double relative, const std::string& what) {
  BOOST_TEST_CONTEXT(what) BOOST_TEST(disagreement(a, b, {.relative = relative}) == "");
}

// A layer in f64 with all its parameters drawn.
template <class Layer>
struct Prepared : Layer {
  explicit Prepared(const typename Layer::Options& o) : Layer(o) {
    this->to(f64);
    randomize(*this, 3);
  }
};
template <class Layer>
Prepared<Layer> prepared(const typename Layer::Options& o) {
  return Prepared<Layer>(o);
}

// Σ w · everything that comes out, with the weights of weighted_sum.
PlainLoss plain_loss(const PlainNetwork& n, std::uint64_t seed_of_weights = 77) {
  const Shape state{n.batch, n.hidden};
  const Numbers w = plain(random_values({n.steps, n.batch, n.hidden}, seed_of_weights));
  std::vector<Numbers> of_state;
  const Index fields = n.kind == Kind::lstm ? 2 : 1;
  for (Index i = 0; i < n.layers * fields; ++i)
    of_state.push_back(plain(random_values(state, ++seed_of_weights)));
  return [=](const PlainOutput& out) {
    long double total = 0;
    for (std::size_t i = 0; i < w.size(); ++i) total += w[i] * out.outputs[i];
    const auto size = static_cast<std::size_t>(state.size());
    for (std::size_t i = 0; i < of_state.size(); ++i) {
      const std::size_t layer = i / static_cast<std::size_t>(fields);
      const Numbers& s = fields == 2 && i % 2 == 1 ? out.c : out.h;
      for (std::size_t k = 0; k < size; ++k) total += of_state[i][k] * s[layer * size + k];
    }
    return total;
  };
}

// Values and every gradient of a layer without initial state against the plain ones.
template <class Layer>
void check_plainly(Kind kind, const Layer& layer, const Tensor& input, const TapeOptions& options,
                   std::vector<Numbers> masks = {}) {
  PlainNetwork n = plain_network(kind, layer, input);
  n.masks = std::move(masks);
  const PlainOutput expected = run(n);
  Tape tape(options);
  const Tensor x = tape.watch(input);
  const auto out = layer(x);
  check_close(out.outputs, tensor_of(expected.outputs, out.outputs.shape()), 1e-13, "outputs");
  std::vector<Tensor> leaves{x};
  std::vector<std::string> names{"x"};
  for (const auto& [path, p] : layer.parameters()) {
    leaves.push_back(p);
    names.push_back(path);
  }
  const auto found = tape.gradient(weighted_sum(out), leaves);
  for (std::size_t i = 0; i < leaves.size(); ++i)
    check_close(found[i], plain_gradient(n, names[i], leaves[i].shape(), plain_loss(n)), 1e-10,
                names[i]);
}

template <class Layer>
std::vector<Tensor> gradients_of(const Layer& layer, const Tensor& input,
                                 const TapeOptions& options = {}) {
  Tape tape(options);
  std::vector<Tensor> leaves{tape.watch(input)};
  for (const auto& [path, p] : layer.parameters()) leaves.push_back(p);
  return tape.gradient(weighted_sum(layer(leaves[0])), leaves);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(historic_mistakes)

// mxnet 17479: gradients of upper layers where the input is wider or narrower than the state.
BOOST_AUTO_TEST_CASE(layers_whose_input_is_not_as_wide_as_their_state) {
  for (const Index input : {1, 5}) {
    BOOST_TEST_CONTEXT("input " << input) {
      const Tensor x = random_values({4, 2, input}, 1);
      check_plainly(Kind::lstm, prepared<nn::LSTM>({.input = input, .hidden = 3, .layers = 3}), x,
                    {});
      check_plainly(Kind::gru,
                    prepared<nn::GRU>({.input = input, .hidden = 3, .layers = 3, .biases = 2}), x,
                    {});
      check_plainly(Kind::rnn_tanh, prepared<nn::RNN>({.input = input, .hidden = 3, .layers = 3}),
                    x, {});
    }
  }
}

// Paddle 37080: several layers and a rate of exactly 0, in training.
BOOST_AUTO_TEST_CASE(layers_with_a_dropout_of_exactly_zero) {
  const Tensor x = random_values({4, 2, 3}, 1);
  for (Index layers = 1; layers <= 4; ++layers) {
    BOOST_TEST_CONTEXT(layers << " layers") {
      const auto with =
          prepared<nn::LSTM>({.input = 3, .hidden = 2, .layers = layers, .dropout = 0});
      check_plainly(Kind::lstm, with, x, {.training = true});
      const auto gru = prepared<nn::GRU>({.input = 3, .hidden = 2, .layers = layers, .dropout = 0});
      check_plainly(Kind::gru, gru, x, {.training = true});
      check_bits(gradients_of(with, x, {.training = true}),
                 gradients_of(with, x, {.training = false}));
    }
  }
}

// torch 190056: the backward pass through a dropout that forgot its mask.
BOOST_AUTO_TEST_CASE(dropout_with_the_same_mask_backward) {
  const Rng key(5);
  const TapeOptions options{.training = true, .rng = &key};
  for (const Index layers : {2, 3}) {
    for (const double rate : {0.25, 0.5}) {
      BOOST_TEST_CONTEXT(layers << " layers, rate " << rate) {
        std::vector<Numbers> masks;
        {
          const Tape tape(options);
          for (Index i = 1; i < layers; ++i)
            masks.push_back(plain(dropout_mask({4, 3, 5}, rate, f64)));
        }
        Index dropped = 0;
        for (const Numbers& m : masks) dropped += std::count(m.begin(), m.end(), 0.0L);
        BOOST_REQUIRE(dropped > 5);
        const Tensor x = random_values({4, 3, 2}, 1);
        check_plainly(
            Kind::lstm,
            prepared<nn::LSTM>({.input = 2, .hidden = 5, .layers = layers, .dropout = rate}), x,
            options, masks);
        check_plainly(
            Kind::gru,
            prepared<nn::GRU>({.input = 2, .hidden = 5, .layers = layers, .dropout = rate}), x,
            options, masks);
        check_plainly(
            Kind::rnn_tanh,
            prepared<nn::RNN>({.input = 2, .hidden = 5, .layers = layers, .dropout = rate}), x,
            options, masks);
      }
    }
  }
}

// mxnet 17898: wrong gradients of the native cells, above all those of the initial state.
BOOST_AUTO_TEST_CASE(every_gradient_of_lstm_and_gru) {
  const Index T = 7, B = 2, H = 3;
  const Tensor input = random_values({T, B, 2}, 1);
  const Tensor h = random_values({1, B, H}, 11);
  const Tensor c = random_values({1, B, H}, 12);
  const auto judge = [&](Kind kind, const auto& layer, const auto& initial_of) {
    PlainNetwork n = plain_network(kind, layer, input);
    n.values["h0"] = plain(h);
    if (kind == Kind::lstm) n.values["c0"] = plain(c);
    const PlainOutput expected = run(n);
    Tape tape;
    std::vector<std::string> names{"x", "h0"};
    std::vector<Tensor> leaves{tape.watch(input), tape.watch(h)};
    if (kind == Kind::lstm) {
      names.push_back("c0");
      leaves.push_back(tape.watch(c));
    }
    const auto out = layer(leaves[0], {.initial = initial_of(leaves)});
    check_close(out.outputs, tensor_of(expected.outputs, {T, B, H}), 1e-13, "outputs");
    check_close(out.state.forward[0].h, tensor_of(expected.h, {B, H}), 1e-13, "h");
    for (const auto& [path, p] : layer.parameters()) {
      names.push_back(path);
      leaves.push_back(p);
    }
    const auto found = tape.gradient(weighted_sum(out), leaves);
    for (std::size_t i = 0; i < leaves.size(); ++i)
      check_close(found[i], plain_gradient(n, names[i], leaves[i].shape(), plain_loss(n)), 1e-10,
                  names[i]);
  };
  for (const Index biases : {0, 1, 2}) {
    BOOST_TEST_CONTEXT(biases << " biases") {
      judge(Kind::lstm, prepared<nn::LSTM>({.input = 2, .hidden = H, .biases = biases}),
            [](const auto& leaves) {
              return nn::LSTM::State{
                  .forward = {{.h = select(leaves[1], 0, 0), .c = select(leaves[2], 0, 0)}}};
            });
      judge(Kind::gru, prepared<nn::GRU>({.input = 2, .hidden = H, .biases = biases}),
            [](const auto& leaves) {
              return nn::GRU::State{.forward = {{.h = select(leaves[1], 0, 0)}}};
            });
    }
  }
}

// torch 619, 620: what flows back does not lie element after element.
BOOST_AUTO_TEST_CASE(an_upstream_gradient_that_is_not_contiguous) {
  const auto judge = [](const auto& layer) {
    const Tensor input = random_values({4, 3, 2}, 1);
    const Tensor u = random_values({4, 3, 6}, 9);
    const auto found = [&](const Tensor& upstream) {
      Tape tape;
      std::vector<Tensor> leaves{tape.watch(input)};
      for (const auto& [path, p] : layer.parameters()) leaves.push_back(p);
      return tape.gradient(layer(leaves[0]).outputs, leaves, {.upstream = upstream});
    };
    const auto expected = found(u);
    const Tensor wide = concat({u * 3.0, u, u * 2.0}, -1);
    const std::vector<Tensor> same{
        transpose(contiguous(transpose(u, 0, 1)), 0, 1),
        transpose(contiguous(transpose(u, 1, 2)), 1, 2),
        slice(wide, {.axis = -1, .from = 6, .to = 12}),
        select(stack({u * 0.5, u}, -1), -1, 1),
        slice(concat({u, u}, 0), {.axis = 0, .from = 4}),
    };
    for (std::size_t k = 0; k < same.size(); ++k) {
      BOOST_REQUIRE(all_equal(same[k], u));
      const auto given = found(same[k]);
      for (std::size_t i = 0; i < given.size(); ++i)
        check_close(given[i], expected[i], 1e-14, "layout " + std::to_string(k));
    }
    // Without extent of its own: the same gradient at every step and row.
    const Tensor one = random_values({6}, 4);
    const Tensor stretched = expand(one, {4, 3, 6});
    const auto given = found(stretched);
    const auto dense = found(contiguous(stretched));
    for (std::size_t i = 0; i < given.size(); ++i)
      check_close(given[i], dense[i], 1e-14, "zero strides");
    // And through views that the program itself takes of the outputs.
    Tape tape;
    const Tensor x = tape.watch(input);
    const Tensor y = transpose(layer(x).outputs, 0, 2);
    check_close(tape.gradient(sum(y * contiguous(transpose(u, 0, 2))), x), expected[0], 1e-13,
                "transposed by the program");
  };
  judge(prepared<nn::LSTM>({.input = 2, .hidden = 6, .layers = 2}));
  judge(prepared<nn::GRU>({.input = 2, .hidden = 3, .layers = 2, .bidirectional = true}));
  judge(prepared<nn::RNN>({.input = 2, .hidden = 6}));
}

// torch 11662: the relu network had another gradient on another path. Here the layer, single steps
// of its cell and operations by hand, at sums of either sign and of exactly 0.
BOOST_AUTO_TEST_CASE(relu_by_every_path) {
  auto layer = prepared<nn::RNN>(
      {.input = 2, .hidden = 4, .cell = {.nonlinearity = nn::Nonlinearity::relu}});
  const nn::RNNCell& cell = layer.cell(0);
  Tensor input = random_values({6, 3, 2}, 1);
  check_plainly(Kind::rnn_relu, layer, input, {});

  // Row 2 sees nothing and its bias is 0: every sum of it is exactly 0, where the slope is 0.
  input = input * reshape(tensor({1.0, 1.0, 0.0}, f64), {3, 1});
  unroll::detail::overwrite(*cell.b, zeros({4}, f64), "test");
  std::vector<std::vector<Tensor>> found;
  for (int path = 0; path < 3; ++path) {
    Tape tape;
    const Tensor x = tape.watch(input);
    std::vector<Tensor> leaves{x};
    for (const auto& [name, p] : layer.parameters()) leaves.push_back(p);
    std::vector<Tensor> outputs;
    Tensor h = zeros({3, 4}, f64);
    for (Index t = 0; t < 6; ++t) {
      const Tensor now = select(x, 0, t);
      h = path == 0   ? h
          : path == 1 ? cell(now, {.h = h}).h
                      : relu(matmul(now, cell.Wx) + matmul(h, cell.Wh) + *cell.b);
      outputs.push_back(h);
    }
    const Tensor y = path == 0 ? layer(x).outputs : stack(outputs, 0);
    const Tensor loss = sum(y * random_values(y.shape(), 9)) + sum(select(y, 0, 5));
    found.push_back(tape.gradient(loss, leaves));
    for (const double g : values(select(found.back()[0], 1, 2))) BOOST_TEST(g == 0.0);
  }
  for (int path = 1; path < 3; ++path)
    for (std::size_t i = 0; i < found[0].size(); ++i)
      check_close(found[static_cast<std::size_t>(path)][i], found[0][i], 1e-13,
                  "path " + std::to_string(path) + ", leaf " + std::to_string(i));
}

// torch 776: parameters are frozen, the input still needs its gradient; and the other way round.
BOOST_AUTO_TEST_CASE(frozen_parameters_and_an_input_that_is_not) {
  const auto judge = [](auto layer) {
    const Tensor input = random_values({5, 2, 3}, 1);
    const auto expected = gradients_of(layer, input);
    const auto parameters = layer.parameters();
    for (const auto& [path, p] : parameters) freeze(p);
    {
      Tape tape;
      const Tensor x = tape.watch(input);
      const Tensor loss = weighted_sum(layer(x));
      BOOST_TEST(all_equal(tape.gradient(loss, x), expected[0]));
      BOOST_TEST(tape.backward(loss, parameters).empty());
    }
    // One parameter at a time.
    std::size_t k = 0;
    for (const auto& [path, p] : parameters) {
      freeze(p, false);
      Tape tape;
      const Gradients grads = tape.backward(weighted_sum(layer(input)));
      BOOST_TEST(grads.size() == 1);
      check_close(grads[p], expected[++k], 1e-14, path);
      freeze(p);
    }
  };
  judge(prepared<nn::LSTM>({.input = 3, .hidden = 4, .layers = 2}));
  judge(prepared<nn::GRU>({.input = 3, .hidden = 4, .bidirectional = true, .biases = 2}));
  judge(prepared<nn::RNN>({.input = 3, .hidden = 4, .biases = 2}));
}

// torch 1721: the bias had another shape, or got one from its gradient.
BOOST_AUTO_TEST_CASE(biases_keep_their_shape) {
  const auto judge = [](const auto& layer, Index columns, std::size_t biases) {
    for (const Shape& shape : {Shape{3, 2, 2}, Shape{1, 1, 2}, Shape{1, 4, 2}, Shape{4, 1, 2}}) {
      Tape tape;
      const Gradients grads = tape.backward(weighted_sum(layer(random_values(shape, 1))));
      std::size_t count = 0;
      for (const auto& [path, p] : layer.parameters()) {
        BOOST_TEST(grads[p].shape() == p.shape());
        if (path.find(".b") == std::string::npos) continue;
        ++count;
        BOOST_TEST(p.shape() == Shape{columns}, path);
      }
      BOOST_TEST(count == biases);
    }
  };
  for (const Index biases : {0, 1, 2}) {
    BOOST_TEST_CONTEXT(biases << " biases") {
      const auto n = static_cast<std::size_t>(biases);
      judge(prepared<nn::LSTM>({.input = 2, .hidden = 3, .biases = biases}), 12, n);
      judge(prepared<nn::GRU>({.input = 2, .hidden = 3, .biases = biases}), 9, n);
      judge(prepared<nn::RNN>({.input = 2, .hidden = 3, .biases = biases}), 3, n);
      const Tensor x = random_values({3, 2, 2}, 1);
      check_plainly(Kind::lstm, prepared<nn::LSTM>({.input = 2, .hidden = 3, .biases = biases}), x,
                    {});
      check_plainly(Kind::gru, prepared<nn::GRU>({.input = 2, .hidden = 3, .biases = biases}), x,
                    {});
      check_plainly(Kind::rnn_tanh, prepared<nn::RNN>({.input = 2, .hidden = 3, .biases = biases}),
                    x, {});
    }
  }
}

// torch 32023: a sequence gives something else in a batch of another size.
BOOST_AUTO_TEST_CASE(a_sequence_in_batches_of_every_size) {
  // States stay within (-1, 1) but for c, so that 2e-6 is some ten roundings in f32.
  const auto judge = [](const auto& layer, DType dtype, double allowed) {
    const auto check_near = [&](const Tensor& a, const Tensor& b, const char* what) {
      const auto left = values(a);
      const auto right = values(b);
      BOOST_REQUIRE(left.size() == right.size());
      for (std::size_t i = 0; i < left.size(); ++i)
        BOOST_TEST(std::abs(left[i] - right[i]) <= allowed, what);
    };
    const Tensor alone = random_values({9, 1, 3}, 1, dtype);
    const auto expected = layer(alone);
    for (const Index batch : {2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33}) {
      for (const Index row : {Index{0}, batch / 2, batch - 1}) {
        Tensor before = random_values({9, row, 3}, 2, dtype);
        Tensor after = random_values({9, batch - 1 - row, 3}, 5, dtype);
        const auto out = layer(concat({before, alone, after}, 1));
        BOOST_TEST_CONTEXT("row " << row << " of " << batch) {
          check_near(slice(out.outputs, {.axis = 1, .from = row, .to = row + 1}), expected.outputs,
                     "outputs");
          const auto mine = tensors_of(out.state);
          const auto theirs = tensors_of(expected.state);
          for (std::size_t i = 0; i < mine.size(); ++i)
            check_near(slice(mine[i], {.from = row, .to = row + 1}), theirs[i], "state");
        }
      }
    }
  };
  judge(prepared<nn::LSTM>({.input = 3, .hidden = 5, .layers = 2}), f64, 1e-13);
  judge(prepared<nn::GRU>({.input = 3, .hidden = 5, .bidirectional = true}), f64, 1e-13);
  judge(prepared<nn::RNN>({.input = 3, .hidden = 5}), f64, 1e-13);
  nn::LSTM single({.input = 3, .hidden = 16});
  randomize(single, 3);
  judge(single, f32, 2e-6);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
