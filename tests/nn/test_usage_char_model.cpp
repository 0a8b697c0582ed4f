// The character model of the documentation, trained by truncated back-propagation on a few letters.
#include <unroll/unroll.h>

#include <boost/test/unit_test.hpp>

namespace {
using namespace unroll;

struct CharModel : nn::Module {
  struct Options {
    Index vocab = 0, hidden = 128, layers = 2;
    double dropout = 0;
  };
  using State = nn::LSTM::State;
  struct Output {
    Tensor logits;
    State state;
  };

  explicit CharModel(Options o) : options(o) {}
  const Options options;  // declared before what uses it
  nn::Child<nn::Embedding> embed{*this, "embed", {.count = options.vocab, .size = options.hidden}};
  nn::Child<nn::LSTM> lstm{*this,
                           "lstm",
                           {.input = options.hidden,
                            .hidden = options.hidden,
                            .layers = options.layers,
                            .dropout = options.dropout}};
  nn::Child<nn::Linear> head{*this, "head", {.input = options.hidden, .output = options.vocab}};

  Output operator()(const Tensor& ids, const State& state) const {  // ids i64 [T, B]
    auto [h, next] = lstm(embed(ids), {.initial = state});
    return {.logits = head(h), .state = next};  // [T, B, V]
  }
};

struct Trained {
  std::vector<double> losses;  // the mean of each epoch
  std::string sampled;
};

Trained train(std::uint64_t seed_of_run) {
  std::string corpus;
  for (int i = 0; i < 60; ++i) corpus += "abcde fghij. ";
  nn::Text text = nn::Text::of(corpus);
  seed(seed_of_run);  // this thread's random stream
  CharModel model({.vocab = text.vocabulary().size(), .hidden = 16, .dropout = 0.1});
  optim::Adam adam(model.parameters(), {.lr = 2e-2});
  CharModel::State state;  // empty: zeros at first use
  nn::Windows windows = text.windows({.batch = 4, .steps = 16});
  Index epoch = 0;
  Trained result;
  for (; epoch < 8; ++epoch, windows.rewind(), state = {}) {
    double total = 0;
    while (auto window = windows.next()) {
      Tape tape;
      auto out = model(window->inputs, state);
      Tensor loss = cross_entropy(out.logits, window->targets);
      auto grads = tape.backward(loss);
      adam.step(grads, {.clip_norm = 5.0});
      state = detach(out.state);
      total += loss.item();
    }
    result.losses.push_back(total / static_cast<double>(windows.size()));
  }

  Rng rng(7);  // sampling names its stream
  CharModel::State s;
  Tensor id = reshape(text.encode("a"), {1, 1});  // [T=1, B=1]
  for (int i = 0; i < 40; ++i) {                  // no tape: nothing recorded, no dropout
    auto out = model(id, s);
    id = sample(out.logits, rng, {.temperature = 0.1, .top_k = 4});  // [1, 1]
    result.sampled += text.decode(id);
    s = out.state;  // no detach needed: no tape, no history
  }
  return result;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(usage_char_model)

BOOST_AUTO_TEST_CASE(learns_a_short_text) {
  const Trained run = train(1);
  BOOST_TEST(run.losses.front() > 1.0);
  BOOST_TEST(run.losses.back() < 0.2);
  BOOST_TEST(run.sampled == "bcde fghij. abcde fghij. abcde fghij. ab");
  const Trained again = train(1);
  BOOST_TEST(again.losses == run.losses, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_state_that_is_not_detached_throws) {
  CharModel model({.vocab = 5, .hidden = 4});
  const Tensor ids = tensor({{1, 2}, {0, 4}, {3, 3}});
  CharModel::State state;
  {
    Tape tape;
    state = model(ids, state).state;
  }
  Tape tape;
  BOOST_CHECK_THROW(model(ids, state), Error);
  BOOST_CHECK_NO_THROW(model(ids, detach(state)));
}

BOOST_AUTO_TEST_SUITE_END()
