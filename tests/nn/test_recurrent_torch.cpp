// nn::RNN, nn::LSTM and nn::GRU against PyTorch in double, values and gradients.
#include <filesystem>

#include <boost/test/data/test_case.hpp>
#include <boost/test/unit_test.hpp>

#include "support/numeric.h"
#include "support/recurrent_fixture.h"

namespace unroll::test {
namespace {

struct File {
  std::string path;
  friend std::ostream& operator<<(std::ostream& out, const File& file) {
    return out << std::filesystem::path(file.path).stem().string();
  }
};

std::vector<File> random_files() {
  std::vector<File> files;
  for (const std::string& path : fixture_files("recurrent_random")) files.push_back({path});
  return files;
}

std::vector<File> files_of(const std::string& kind) {
  std::vector<File> files;
  for (const std::string& path : fixture_files("recurrent"))
    if (std::filesystem::path(path).filename().string().starts_with(kind)) files.push_back({path});
  return files;
}

constexpr double for_values = 1e-12;
constexpr double for_gradients = 1e-10;

// h0[layer · directions + direction] of both kinds of state; undefined tensors give an empty state.
nn::RecurrentState<nn::LSTMState> initial_of(const nn::LSTM&, const Tensor& h0, const Tensor& c0,
                                             Index layers, bool bidirectional) {
  nn::RecurrentState<nn::LSTMState> state;
  if (!h0.defined()) return state;
  const Index directions = bidirectional ? 2 : 1;
  for (Index i = 0; i < layers * directions; ++i)
    (i % directions == 0 ? state.forward : state.backward)
        .push_back({.h = select(h0, 0, i), .c = select(c0, 0, i)});
  return state;
}

template <class Layer>
typename Layer::State initial_of(const Layer&, const Tensor& h0, const Tensor&, Index layers,
                                 bool bidirectional) {
  typename Layer::State state;
  if (!h0.defined()) return state;
  const Index directions = bidirectional ? 2 : 1;
  for (Index i = 0; i < layers * directions; ++i)
    (i % directions == 0 ? state.forward : state.backward).push_back({.h = select(h0, 0, i)});
  return state;
}

// The final states in torch's order, [layers · directions, B, H].
template <class State, class Field>
Tensor stacked(const State& state, const Field& field) {
  std::vector<Tensor> all;
  for (std::size_t i = 0; i < state.forward.size(); ++i) {
    all.push_back(field(state.forward[i]));
    if (!state.backward.empty()) all.push_back(field(state.backward[i]));
  }
  return stack(all, 0);
}

void check(const Tensor& ours, const Tensor& theirs, double relative, const std::string& what) {
  BOOST_TEST_CONTEXT(what) BOOST_TEST(disagreement(ours, theirs, {.relative = relative}) == "");
}

void check_zero_padding(const Tensor& x, const std::vector<Index>& lengths) {
  for (Index b = 0; b < std::ssize(lengths); ++b)
    for (Index t = lengths[static_cast<std::size_t>(b)]; t < x.size(0); ++t)
      for (const double v : values(select(select(x, 0, t), 0, b))) BOOST_TEST(v == 0.0);
}

template <class Layer>
void check_case(Layer& layer, const Fixture& file) {
  layer.to(f64);
  import_weights(layer, file);
  const std::vector<Index> lengths = file.numbers("lengths");
  const Index layers = file.number("layers");
  const bool bidirectional = file.flag("bidirectional");
  constexpr bool is_lstm = std::is_same_v<Layer, nn::LSTM>;
  BOOST_TEST(file.flag("initial") == file.contains("h0"));

  Tape tape;
  std::vector<std::string> names{"input"};
  std::vector<Tensor> leaves{tape.watch(file["input"])};
  Tensor h0, c0;
  if (file.contains("h0")) {
    names.push_back("h0");
    leaves.push_back(h0 = tape.watch(file["h0"]));
  }
  if (file.contains("c0")) {
    names.push_back("c0");
    leaves.push_back(c0 = tape.watch(file["c0"]));
  }
  const auto out = layer(
      leaves[0], {.initial = initial_of(layer, h0, c0, layers, bidirectional), .lengths = lengths});
  const Tensor h_n = stacked(out.state, [](const auto& s) { return s.h; });
  Tensor loss = sum(out.outputs * file["w_out"]) + sum(h_n * file["w_h"]);
  check(out.outputs, file["output"], for_values, "output");
  check_zero_padding(out.outputs, lengths);
  check(h_n, file["h_n"], for_values, "h_n");
  if constexpr (is_lstm) {
    const Tensor c_n = stacked(out.state, [](const auto& s) { return s.c; });
    check(c_n, file["c_n"], for_values, "c_n");
    loss = loss + sum(c_n * file["w_c"]);
  }
  // Terms of order 1 and of either sign.
  const double of_torch = file["loss"].item();
  BOOST_TEST(std::abs(loss.item() - of_torch) <= 1e-12 * std::max(1.0, std::abs(of_torch)));

  for (const auto& [path, parameter] : layer.parameters()) {
    names.push_back(torch_name(path));
    leaves.push_back(parameter);
  }
  const auto gradients = tape.gradient(loss, leaves);
  for (std::size_t i = 0; i < leaves.size(); ++i) {
    const Tensor theirs = file["grad." + names[i]];
    check(gradients[i], names[i].starts_with("weight") ? from_torch(theirs) : theirs, for_gradients,
          "gradient of " + names[i]);
  }
  check_zero_padding(gradients[0], lengths);

  // What training uses, a value by parameter, gives the same bits.
  const Gradients grads = tape.backward(loss);
  BOOST_TEST(grads.size() == layer.parameters().size());
  for (std::size_t i = leaves.size() - static_cast<std::size_t>(grads.size()); i < leaves.size();
       ++i)
    BOOST_TEST(all_equal(grads[leaves[i]], gradients[i]));
}

template <class Layer>
typename Layer::Options options_of(const Fixture& file) {
  return {.input = file.number("input"),
          .hidden = file.number("hidden"),
          .layers = file.number("layers"),
          .bidirectional = file.flag("bidirectional"),
          .biases = file.flag("bias") ? 2 : 0};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(recurrent_torch)

BOOST_AUTO_TEST_CASE(all_files_are_used) {
  BOOST_TEST(files_of("lstm").size() == 12U);
  BOOST_TEST(files_of("gru").size() == 12U);
  BOOST_TEST(files_of("rnn-tanh").size() == 12U);
  BOOST_TEST(files_of("rnn-relu").size() == 12U);
  BOOST_TEST(fixture_files("recurrent").size() == 48U);
  BOOST_TEST(fixture_files("recurrent_random").size() == 5U);
}

BOOST_DATA_TEST_CASE(lstm, files_of("lstm"), file) {
  const Fixture fixture = read_recurrent_case(file.path);
  nn::LSTM layer(options_of<nn::LSTM>(fixture));
  check_case(layer, fixture);
}

BOOST_DATA_TEST_CASE(gru, files_of("gru"), file) {
  const Fixture fixture = read_recurrent_case(file.path);
  nn::GRU layer(options_of<nn::GRU>(fixture));
  check_case(layer, fixture);
}

BOOST_DATA_TEST_CASE(rnn, files_of("rnn"), file) {
  const Fixture fixture = read_recurrent_case(file.path);
  auto options = options_of<nn::RNN>(fixture);
  if (fixture.word("kind") == "rnn_relu") options.cell.nonlinearity = nn::Nonlinearity::relu;
  nn::RNN layer(options);
  check_case(layer, fixture);
}

// Every combination of one to four layers, one and two directions, biases, lengths and initial
// states for every kind, of random sizes; LSTM with projections too.
BOOST_DATA_TEST_CASE(random, random_files(), file) {
  Index number = 0;
  for (const Fixture& fixture : read_recurrent_cases(file.path)) {
    const std::string& kind = fixture.word("kind");
    BOOST_TEST_CONTEXT("case " << number++ << ", seed " << fixture.word("seed")) {
      if (kind == "lstm") {
        auto options = options_of<nn::LSTM>(fixture);
        if (fixture.words.contains("projection"))
          options.cell.projection = fixture.number("projection");
        nn::LSTM layer(options);
        check_case(layer, fixture);
      } else if (kind == "gru") {
        nn::GRU layer(options_of<nn::GRU>(fixture));
        check_case(layer, fixture);
      } else {
        auto options = options_of<nn::RNN>(fixture);
        if (kind == "rnn_relu") options.cell.nonlinearity = nn::Nonlinearity::relu;
        nn::RNN layer(options);
        check_case(layer, fixture);
      }
    }
  }
  BOOST_TEST(number == 64);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
