// One model that answers many threads, as in the documentation.
#include <unroll/unroll.h>

#include <string>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>

namespace {
using namespace unroll;

struct CharModel : nn::Module {
  struct Options {
    Index vocab = 0, hidden = 24;
  };
  using State = nn::LSTM::State;
  struct Output {
    Tensor logits;
    State state;
  };
  explicit CharModel(Options o) : options(o) {}
  const Options options;
  nn::Child<nn::Embedding> embed{*this, "embed", {.count = options.vocab, .size = options.hidden}};
  nn::Child<nn::LSTM> lstm{
      *this,
      "lstm",
      {.input = options.hidden, .hidden = options.hidden, .layers = 2, .dropout = 0.5}};
  nn::Child<nn::Linear> head{*this, "head", {.input = options.hidden, .output = options.vocab}};

  Output operator()(const Tensor& ids, const State& state) const {
    auto [h, next] = lstm(embed(ids), {.initial = state});
    return {.logits = head(h), .state = next};
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(usage_serving)

BOOST_AUTO_TEST_CASE(any_number_of_threads_share_one_model) {
  const nn::Text text = nn::Text::of("the quick brown fox jumps over the lazy dog. ");
  seed(5);
  const CharModel model({.vocab = text.vocabulary().size()});
  const CharModel& shared = model;
  auto answer = [&](const std::string& prompt, std::uint64_t request) {
    Rng rng(request);
    return nn::generate(shared, text, prompt, rng, {.length = 60, .temperature = 0.8});
  };
  const std::vector<std::string> prompts{"the", "q", "fox j", "dog"};
  std::vector<std::string> alone, replies(16);
  for (std::uint64_t i = 0; i < 16; ++i) alone.push_back(answer(prompts[i % 4], i));
  {
    std::vector<std::jthread> workers;
    for (std::uint64_t i = 0; i < 16; ++i)
      workers.emplace_back([&, i] { replies[i] = answer(prompts[i % 4], i); });
  }
  BOOST_TEST(replies == alone, boost::test_tools::per_element());
  BOOST_TEST(alone[0] != alone[4]);  // one prompt, another stream
  BOOST_TEST(alone[0].size() == 60U);
}

BOOST_AUTO_TEST_SUITE_END()
