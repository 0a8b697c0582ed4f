// The same bits for the same seed, on any number of threads; dropout where it belongs and nowhere
// else.
#include <set>

#include <boost/test/unit_test.hpp>

#include "support/numeric.h"
#include "support/recurrent_layers.h"
#include "support/same_bits.h"

namespace unroll::test {
namespace {

struct Threads {
  explicit Threads(Index n) : before(unroll::threads()) { set_threads(n); }
  ~Threads() { set_threads(0); }
  Index before;
};

// Everything that one training step makes.
std::vector<Tensor> training_step(std::uint64_t seed_of_step, const Tensor& x,
                                  std::span<const Index> lengths, Index hidden, double rate,
                                  DType dtype = f32) {
  seed(seed_of_step);
  nn::LSTM layer(
      {.input = x.size(2), .hidden = hidden, .layers = 2, .bidirectional = true, .dropout = rate});
  layer.to(dtype);
  Tape tape;
  const auto out = layer(x, {.lengths = lengths});
  std::vector<Tensor> all = tensors_of(detach(out.state));
  all.push_back(detach(out.outputs));
  const Gradients grads = tape.backward(weighted_sum(out));
  for (const auto& [path, p] : layer.parameters()) {
    all.push_back(detach(p));
    all.push_back(grads[p]);
  }
  BOOST_TEST(grads.size() == 12);
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(recurrent_determinism)

// Large enough that products, pointwise passes, stacks and masks are really cut into tasks.
BOOST_AUTO_TEST_CASE(threads_change_no_bit) {
  const Tensor x = random_values({3, 64, 96}, 1, f32);
  std::vector<Index> lengths(64);
  for (std::size_t b = 0; b < lengths.size(); ++b) lengths[b] = static_cast<Index>(b % 4);
  std::vector<Tensor> alone;
  {
    const Threads one(1);
    alone = training_step(3, x, lengths, 512, 0.3);
  }
  for (const Index n : {2, 4}) {
    const Threads several(n);
    BOOST_TEST_CONTEXT(n << " threads") check_bits(training_step(3, x, lengths, 512, 0.3), alone);
  }
}

BOOST_AUTO_TEST_CASE(same_seed_same_bits) {
  const Tensor x = random_values({4, 3, 5}, 1, f32);
  const auto first = training_step(3, x, {}, 8, 0.4);
  check_bits(training_step(3, x, {}, 8, 0.4), first);
  const auto other = training_step(4, x, {}, 8, 0.4);
  for (std::size_t i = 0; i < first.size(); ++i) BOOST_TEST_CONTEXT("tensor " << i) {
      // A bias starts from the same values whatever the seed.
      const bool bias_itself = first[i].rank() == 1 && i >= 9 && (i - 9) % 2 == 0;
      BOOST_TEST(all_equal(first[i], other[i]).ok() == bias_itself);
    }
}

BOOST_AUTO_TEST_CASE(no_rate_changes_no_bit) {
  const Tensor x = random_values({4, 3, 5}, 1, f32);
  nn::GRU plain({.input = 5, .hidden = 6, .layers = 3});
  nn::GRU with({.input = 5, .hidden = 6, .layers = 3, .dropout = 0});
  nn::copy_values(plain, with);
  Tape tape;
  const auto a = plain(x);
  const auto b = with(x);
  BOOST_TEST(all_equal(a.outputs, b.outputs));
  // It draws nothing either: what comes after is the same as if it were not there.
  seed(9);
  Tensor expected;
  {
    Tape clean;
    expected = dropout(ones({64}), 0.5);
  }
  seed(9);
  Tape after;
  static_cast<void>(with(x));
  BOOST_TEST(all_equal(dropout(ones({64}), 0.5), expected));
}

BOOST_AUTO_TEST_CASE(dropout_acts_under_a_training_tape_only) {
  nn::LSTM layer({.input = 4, .hidden = 16, .layers = 2, .dropout = 0.5});
  const Tensor x = random_values({3, 2, 4}, 1, f32);
  const Tensor quiet = layer(x).outputs;
  BOOST_TEST(all_equal(layer(x).outputs, quiet));
  {
    Tape tape;
    BOOST_TEST(!all_equal(layer(x).outputs, quiet).ok());
    {
      const auto off = tape.pause();
      BOOST_TEST(all_equal(layer(x).outputs, quiet));
    }
    BOOST_TEST(!all_equal(layer(x).outputs, quiet).ok());
    static_cast<void>(tape.backward(sum(layer(x).outputs)));
    BOOST_TEST(all_equal(layer(x).outputs, quiet));  // the tape is closed
  }
  {
    Tape tape({.training = false});
    BOOST_TEST(all_equal(layer(x).outputs, quiet));
    BOOST_TEST(tape.nodes() > 0);
  }
  {
    nn::Training on;
    BOOST_TEST(!all_equal(layer(x).outputs, quiet).ok());
  }
  layer.eval();
  {
    Tape tape;
    BOOST_TEST(all_equal(layer(x).outputs, quiet));
  }
  layer.train();
  Tape tape;
  BOOST_TEST(!all_equal(layer(x).outputs, quiet).ok());
}

// Between layers and nowhere else: a single layer has none, and the last output is not dropped.
BOOST_AUTO_TEST_CASE(dropout_is_between_layers) {
  nn::RNN one({.input = 4, .hidden = 16, .dropout = 0.9});
  const Tensor x = random_values({3, 2, 4}, 1, f32);
  const Tensor quiet = one(x).outputs;
  nn::RNN two({.input = 4,
               .hidden = 16,
               .layers = 2,
               .dropout = 0.9,
               .cell = {.nonlinearity = nn::Nonlinearity::tanh}});
  const Tensor bias = full({16}, 0.5);
  unroll::detail::overwrite(*two.cell(1).b, bias, "test");
  Tape tape;
  BOOST_TEST(all_equal(one(x).outputs, quiet));
  const auto out = two(x);
  for (const double v : values(out.outputs)) BOOST_TEST(v != 0.0);
  BOOST_TEST(all_equal(contiguous(select(out.outputs, 0, 2)), out.state.forward[1].h));
}

// The mask is 0 or 1 / (1 - rate): with a second layer that passes on what it gets, it can be read.
BOOST_AUTO_TEST_CASE(dropout_keeps_the_mean) {
  nn::RNN layer({.input = 1,
                 .hidden = 8,
                 .layers = 2,
                 .dropout = 0.25,
                 .cell = {.nonlinearity = nn::Nonlinearity::relu}});
  for (const auto& [path, p] : layer.parameters())
    unroll::detail::overwrite(p, zeros(p.shape()), "test");
  unroll::detail::overwrite(*layer.cell(0).b, full({8}, 3), "test");
  unroll::detail::overwrite(layer.cell(1).Wx, eye(8), "test");
  Tape tape;
  const auto seen = values(layer(zeros({50, 20, 1})).outputs);
  Index dropped = 0;
  for (const double v : seen) {
    BOOST_TEST((v == 0.0 || v == 4.0));
    dropped += v == 0.0;
  }
  BOOST_TEST(dropped > 1800);  // of 8000, expected 2000 with deviation 39
  BOOST_TEST(dropped < 2200);
}

BOOST_AUTO_TEST_CASE(masks_differ_between_calls_and_repeat_for_a_seed) {
  nn::LSTM layer({.input = 4, .hidden = 16, .layers = 2, .dropout = 0.5});
  const Tensor x = random_values({3, 2, 4}, 1, f32);
  const auto calls = [&](std::uint64_t s) {
    seed(s);
    std::vector<Tensor> all;
    for (int tapes = 0; tapes < 2; ++tapes) {
      Tape tape;
      for (int n = 0; n < 3; ++n) all.push_back(detach(layer(x).outputs));
    }
    return all;
  };
  const auto all = calls(5);
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t k = 0; k < i; ++k) BOOST_TEST(!all_equal(all[i], all[k]).ok());
  check_bits(calls(5), all);
  BOOST_TEST(!all_equal(calls(6)[0], all[0]).ok());
  // A tape with a stream of its own does not care about the thread's.
  const Rng rng(8);
  const auto with_stream = [&](std::uint64_t s) {
    seed(s);
    Tape tape({.rng = &rng});
    return detach(layer(x).outputs);
  };
  BOOST_TEST(all_equal(with_stream(1), with_stream(2)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
