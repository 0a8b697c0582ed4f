// Layers that compute segments of time once more: the same bits for any cell, options and segments,
// and as little memory as the header promises.
#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/recurrent_layers.h"

namespace unroll::test {
namespace {

using Values = std::vector<Tensor>;

// A cell of a user: no project(), no begin(), a state of another shape, random numbers of its own.
struct Plain : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
  };
  struct State {
    Tensor h;
    std::vector<Tensor> others;
  };
  explicit Plain(Options o) : options(o) {}
  const Options options;
  nn::Parameter W{*this, "W", {options.input, options.hidden}, init::xavier()};
  nn::Parameter U{*this, "U", {options.hidden, options.hidden}, init::xavier()};
  mutable Index steps = 0;  // as a test counts them

  State initial_state(Index batch) const {
    return {.h = zeros({batch, options.hidden}, dtype()),
            .others = {ones({batch, 2, options.hidden}, dtype())}};
  }
  State step(const Tensor& x, const State& s) const {
    ++steps;
    const Tensor noise = uniform(s.h.shape(), 0.5, 1, dtype());
    const Tensor h = tanh(matmul(x, W) + matmul(s.h, U) * noise + select(s.others[0], 1, 0));
    return {.h = h, .others = {stack({select(s.others[0], 1, 1), h * 0.5}, 1)}};
  }
};

// Whose project() mixes steps, so that it has to have the whole sequence.
struct Mixing : nn::GatedCell {
  struct Options {
    Index input = 0, hidden = 0;
  };
  struct State {
    Tensor h;
  };
  static constexpr bool projects_each_step = false;
  static constexpr const char* kind = "mixing";
  explicit Mixing(Options o)
      : GatedCell({.kind = kind,
                   .hint = "",
                   .input = o.input,
                   .hidden = o.hidden,
                   .gates = 1,
                   .biases = 1},
                  {.input = init::xavier(), .recurrent = init::xavier()}),
        options(o) {}
  const Options options;
  Tensor project(const Tensor& x, const nn::RecurrentWeights& w) const {
    return GatedCell::project(x + flip(x, {0}), w);
  }
  State step(const Tensor& p, const State& s, const nn::RecurrentWeights& w) const {
    return {.h = tanh(w.product(s.h, p))};
  }
};

static_assert(nn::projects_each_step<nn::LSTMCell> && nn::projects_each_step<Plain> &&
              !nn::projects_each_step<Mixing> &&
              nn::projects_each_step<nn::VariationalDropout<nn::Zoneout<nn::GRUCell>>> &&
              !nn::projects_each_step<nn::VariationalDropout<Mixing>> &&
              !nn::projects_each_step<nn::Stack<Mixing, nn::GRUCell>>);

struct Trial {
  Index steps = 1, batch = 1;
  std::vector<Index> lengths = {};
  DType dtype = f32;
  std::uint64_t seed_of_trial = 1;
  bool differentiable = false;
};

// All that a training step makes.
template <class Layer>
Values training_step(const Layer& layer, const Trial& t) {
  seed(t.seed_of_trial);
  Tape tape;
  const Tensor x = tape.watch(random_values({t.steps, t.batch, layer.options.input}, 5, t.dtype));
  const auto out = layer(tanh(x), {.lengths = t.lengths});
  Values found = tensors_of(detach(out.state));
  found.push_back(detach(out.outputs));
  Tensor loss = weighted_sum(out);
  if (t.differentiable) loss = loss + sum(square(tape.gradient(loss, x, {.differentiable = true})));
  found.push_back(tape.gradient(loss, x));
  found.push_back(dropout_mask({7}, 0.5, f32));
  for (const Gradients grads = tape.backward(loss); const auto& [path, p] : layer.parameters())
    if (grads.contains(p)) found.push_back(grads[p]);
  return found;
}

template <class Layer>
void check_random_layers(typename Layer::Options options, int count, std::uint64_t first_seed) {
  Index segments = 0;
  for (int k = 0; k < count; ++k) {
    Rng rng(first_seed + static_cast<std::uint64_t>(k));
    Trial t{.steps = 1 + rng.below(24),
            .batch = 40 + rng.below(160),
            .dtype = rng.below(2) == 0 ? f32 : f64,
            .seed_of_trial = rng.next(),
            .differentiable = rng.below(4) == 0};
    options.input = 1 + rng.below(4);
    options.hidden = 1 + rng.below(5);
    options.layers = 1 + rng.below(2);
    options.bidirectional = rng.below(2) == 0;
    options.join = rng.below(2) == 0 ? nn::Join::concat : nn::Join::sum;
    options.skip = static_cast<nn::Skip>(rng.below(3));
    if (options.layers > 1 && options.skip != nn::Skip::none) options.join = nn::Join::sum;
    options.learn_initial = rng.below(2) == 0;
    options.dropout = rng.below(2) == 0 ? 0.3 : 0;
    if (rng.below(2) == 0)
      for (Index b = 0; b < t.batch; ++b) t.lengths.push_back(rng.below(t.steps + 1));
    options.recompute_every = options.recompute_bytes = 0;
    Layer plain(options);
    options.recompute_every = 1 + rng.below(t.steps + 2);
    Layer recomputed(options);
    if (options.recompute_every < t.steps) ++segments;
    plain.to(t.dtype);
    recomputed.to(t.dtype);
    randomize(plain, 7);
    nn::copy_values(plain, recomputed);
    BOOST_TEST_CONTEXT("layer " << k << ": T " << t.steps << ", B " << t.batch << ", every "
                                << options.recompute_every << ", lengths " << t.lengths.size()
                                << ", second order " << t.differentiable) {
      const Values a = training_step(plain, t);
      const Values b = training_step(recomputed, t);
      BOOST_REQUIRE(a.size() == b.size());
      for (std::size_t i = 0; i < a.size(); ++i)
        BOOST_TEST_CONTEXT("tensor " << i) BOOST_TEST(all_equal(a[i], b[i]));
    }
  }
  BOOST_TEST(segments > count / 2);
}

template <class C>
using Dropped = nn::Zoneout<nn::VariationalDropout<nn::WeightDrop<C>>>;

}  // namespace

BOOST_AUTO_TEST_SUITE(recompute_over_time)

BOOST_AUTO_TEST_CASE(layers_of_the_library) {
  check_random_layers<nn::LSTM>({.cell = {.projection = 0}}, 25, 100);
  check_random_layers<nn::GRU>({.biases = 2}, 25, 200);
  check_random_layers<nn::RNN>({}, 10, 300);
  check_random_layers<nn::Recurrent<nn::LayerNormLSTMCell>>({}, 10, 400);
  check_random_layers<nn::Recurrent<nn::ResetFirstGRUCell>>({}, 10, 500);
}

BOOST_AUTO_TEST_CASE(wrapped_cells) {
  check_random_layers<nn::Recurrent<Dropped<nn::LSTMCell>>>(
      {.cell = {.h_rate = 0.2,
                .c_rate = 0.1,
                .cell = {.input_rate = 0.3, .state_rate = 0.2, .cell = {.rate = 0.4}}}},
      25, 600);
  check_random_layers<nn::Recurrent<nn::LayerNormed<nn::GRUCell>>>({}, 10, 700);
}

BOOST_AUTO_TEST_CASE(cells_of_a_user) {
  check_random_layers<nn::Recurrent<Plain>>({}, 20, 800);
  check_random_layers<nn::Recurrent<nn::Stack<nn::GRUCell, Plain>>>({}, 15, 900);
  check_random_layers<nn::Recurrent<nn::Zoneout<Mixing>>>({.cell = {.h_rate = 0.3}}, 15, 1000);
}

// A sequence is projected in blocks, which nobody else does.
BOOST_AUTO_TEST_CASE(blocks_change_rounding_only) {
  const Index steps = 21, batch = 60;  // blocks of 8
  nn::LSTM layer({.input = 3, .hidden = 4, .bidirectional = true});
  layer.to(f64);
  randomize(layer, 3);
  std::vector<Index> lengths;
  for (Index b = 0; b < batch; ++b) lengths.push_back(b % (steps - 2));
  const Tensor start = random_values({steps, batch, 3}, 1);
  const auto read = [](const Tensor& y) { return sum(y * random_values(y.shape(), 9)); };
  Values found[2];
  for (const int by_hand : {0, 1}) {
    Tape tape;
    const Tensor x = tape.watch(start);
    Tensor y;
    if (by_hand == 0) {
      y = layer(x, {.lengths = lengths}).outputs;
    } else {
      nn::LSTM& forward = layer;
      std::vector<Tensor> rows;
      for (Index b = 0; b < batch; ++b) {  // alone, so that nothing is padded
        const Index n = lengths[static_cast<std::size_t>(b)];
        rows.push_back(
            forward(slice(slice(x, {.axis = 0, .to = n}), {.axis = 1, .from = b, .to = b + 1}))
                .outputs);
        rows.back() = concat({rows.back(), zeros({steps - n, 1, 8}, f64)}, 0);
      }
      y = concat(rows, 1);
    }
    const Tensor loss = read(y);
    found[by_hand] = {detach(y), tape.gradient(loss, x)};
    const Gradients grads = tape.backward(loss);
    for (const auto& [path, p] : layer.parameters()) found[by_hand].push_back(grads[p]);
  }
  for (std::size_t i = 0; i < found[0].size(); ++i) BOOST_TEST_CONTEXT("tensor " << i)
  BOOST_TEST(all_close(found[0][i], found[1][i], {.relative = 1e-11, .absolute = 1e-12}));
}

BOOST_AUTO_TEST_CASE(steps_are_made_twice_and_no_more) {
  nn::Recurrent<Plain> layer({.input = 2, .hidden = 3, .recompute_every = 4});
  const Tensor x = random_values({10, 5, 2}, 1, f32);
  static_cast<void>(layer(x));
  BOOST_TEST(layer.cell(0).steps == 10);
  Tape tape;
  const auto out = layer(x);
  BOOST_TEST(layer.cell(0).steps == 20);
  static_cast<void>(tape.backward(sum(out.outputs)));
  BOOST_TEST(layer.cell(0).steps == 30);
}

BOOST_AUTO_TEST_CASE(an_error_of_the_second_run_names_its_place) {
  struct Changing : Plain {
    using Plain::Plain;
    State step(const Tensor& x, const State& s) const {
      const State next = Plain::step(x, s);
      return {.h = steps == 17 ? next.h * 1.5 : next.h, .others = next.others};
    }
  };
  nn::Recurrent<Changing> layer({.input = 2, .hidden = 3, .recompute_every = 4});
  Tape tape;
  const auto out = layer(random_values({10, 5, 2}, 1, f32));
  // The last segment is made again as steps 11 … 14, that of steps 2 … 5 as 15 … 18.
  const std::string text = error_text([&] { static_cast<void>(tape.backward(sum(out.outputs))); });
  BOOST_TEST_CONTEXT(text)
  BOOST_TEST(text.starts_with("[recompute] at 0.forward, t=4: f recorded mul_number where it "));
}

// What the header of Recurrent says: [B, H] of U bytes, T steps, segments of k.
BOOST_AUTO_TEST_CASE(memory_falls_as_promised) {
  const Index steps = 1024, batch = 32, hidden = 64;
  const double unit = static_cast<double>(batch * hidden * 4);
  const double T = static_cast<double>(steps);
  const Tensor x = random_values({steps, batch, 8}, 1, f32);
  const Tensor upstream = random_values({steps, batch, hidden}, 2, f32);
  const auto peak = [&](Index every, Index bytes) {
    nn::LSTM layer(
        {.input = 8, .hidden = hidden, .recompute_every = every, .recompute_bytes = bytes});
    const Index before = memory_stats().live_bytes;
    reset_peak_bytes();
    {
      Tape tape;
      const Tensor y = layer(x).outputs;
      static_cast<void>(tape.backward(y, {.upstream = upstream}));
    }
    return static_cast<double>(memory_stats().peak_bytes - before) / unit;
  };
  const double whole = peak(0, 0);
  BOOST_TEST(whole > 7 * T);
  for (const Index every : {16, 32, 64, 128}) {
    const double k = static_cast<double>(every);
    // Outputs; states; a segment; blocks of 2048 rows; the tape's own 1.5 KB a step, and weights.
    const double promised = T + 2 * T / k + 7 * k + 20 * 2048 / 32 + T * 1536 / unit + 60;
    BOOST_TEST_CONTEXT("every " << every << ": " << peak(every, 0) << " of " << whole
                                << ", promised " << promised)
    BOOST_TEST(peak(every, 0) < 1.15 * promised);
  }
  const double least = T + 20 * 2048 / 32 + T * 1536 / unit + 60;
  for (const double budget : {600.0, 1000.0, 3000.0}) {
    const double found = peak(0, static_cast<Index>(budget * unit));
    BOOST_TEST_CONTEXT("budget " << budget << ": " << found << ", besides " << least)
    BOOST_TEST(found < 1.15 * (least + budget));
    if (budget > 2000) BOOST_TEST(found > least + 0.5 * budget);  // and is made use of
  }
  BOOST_TEST(peak(0, static_cast<Index>(9000 * unit)) > 0.95 * whole);
}

// Between the forward pass and the gradient, by the tape's own account and by the pool's.
BOOST_AUTO_TEST_CASE(the_report_counts_what_is_kept) {
  const Tensor x = random_values({300, 32, 8}, 1, f32);
  for (const Index every : {0, 1, 128}) {
    nn::LSTM layer({.input = 8, .hidden = 64, .layers = 2, .recompute_every = every});
    Tape tape;
    const Index before = memory_stats().live_bytes;
    const Tensor loss = sum(exp(layer(x).outputs));
    const auto live = static_cast<double>(memory_stats().live_bytes - before);
    const TapeReport r = tape.report();
    BOOST_TEST(r.held_bytes == r.saved_bytes);
    const auto kept = static_cast<double>(r.held_bytes + r.graph_bytes);
    BOOST_TEST_CONTEXT("every " << every << ": " << live << " live, " << kept << " reported")
    BOOST_TEST((kept > 0.95 * live && kept < 1.05 * live));
    static_cast<void>(tape.backward(loss));
    BOOST_TEST(tape.report().saved_bytes == r.saved_bytes);
    BOOST_TEST(tape.report().held_bytes == 0);
  }
}

BOOST_AUTO_TEST_CASE(a_budget_changes_no_bit) {
  const Trial t{.steps = 200, .batch = 64};
  nn::LSTM plain({.input = 3, .hidden = 5, .layers = 2, .bidirectional = true, .dropout = 0.2});
  const Values expected = training_step(plain, t);
  for (const Index bytes : {400'000, 1'000'000, 3'000'000, 100'000'000}) {
    nn::LSTM layer({.input = 3,
                    .hidden = 5,
                    .layers = 2,
                    .bidirectional = true,
                    .dropout = 0.2,
                    .recompute_bytes = bytes});
    nn::copy_values(plain, layer);
    const Values found = training_step(layer, t);
    for (std::size_t i = 0; i < expected.size(); ++i)
      BOOST_TEST_CONTEXT(bytes << " bytes, tensor " << i)
    BOOST_TEST(all_equal(found[i], expected[i]));
  }
}

BOOST_AUTO_TEST_CASE(what_cannot_be) {
  check_throws([] { return nn::LSTM({.input = 2, .hidden = 3, .recompute_every = -1}).dtype(); },
               "[lstm] recompute_every is -1 and recompute_bytes is 0; needed one of them, > 0, or "
               "none; hint: .recompute_every = 64");
  check_throws(
      [] {
        return nn::GRU({.input = 2, .hidden = 3, .recompute_every = 4, .recompute_bytes = 9})
            .dtype();
      },
      "[gru] recompute_every is 4 and recompute_bytes is 9; needed one of them, > 0, or none; "
      "hint: .recompute_every = 64");
  nn::LSTM layer({.input = 2, .hidden = 3, .recompute_bytes = 1000});
  const Tensor x = random_values({64, 64, 2}, 1, f32);
  static_cast<void>(layer(x));  // nothing is kept without a tape
  Tape tape;
  const std::string text = error_text([&] { static_cast<void>(layer(x)); });
  BOOST_TEST_CONTEXT(text) {
    BOOST_TEST(text.starts_with("[lstm] recompute_bytes is 1000 for 64 steps; needed at least "));
    BOOST_TEST(text.ends_with(" steps; hint: shorter windows, or a smaller batch"));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
