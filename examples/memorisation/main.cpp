// Which earlier characters does a prediction depend on? Trains a small character model of each cell,
// and takes the norm of ∂(logit of the likeliest next character)/∂(input at step s) for every
// position of a passage and every s before it. With --recall N the text is made of lines in which a
// letter comes again after N dots, so that the right answer is known and is checked.
//
// Leaves in --out: memory.html (click a character), dependence.csv, distance.csv and, where gnuplot
// is installed, distance.svg.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "corpus.h"
#include "dependence.h"
#include "page.h"
#include "plot.h"
#include "validate.h"

using namespace unroll;

namespace {

struct Options {
  std::string text;
  std::vector<std::string> cells = {"rnn", "gru", "lstm"};
  Index recall = 0;
  Index hidden = 96;
  Index steps = 600;
  Index length = 240;
  std::uint64_t seed = 1;
  std::string out = "out/memorisation";
  bool quick = false;
};

constexpr Index window = 64;
constexpr Index batch = 32;

// "q......q" and so on: the last letter of a line can be known from its first alone.
std::string recall_text(Index dots, Rng& rng) {
  std::string text;
  for (int line = 0; line < 4000; ++line) {
    const char letter = static_cast<char>('a' + rng.below(26));
    text += letter + std::string(static_cast<std::size_t>(dots), '.') + letter + '\n';
  }
  return text;
}

template <class Layer>
Dependence study(const std::string& cell, const nn::Text& train, const nn::Text& valid,
                 const Tensor& passage, const Options& o) {
  seed(o.seed);
  CharModel<Layer> model({.vocab = train.vocabulary().size(), .hidden = o.hidden, .layers = 1});
  optim::Adam adam(model.parameters(), {.lr = 4e-3});
  const auto schedule = optim::cosine({.lr = 4e-3, .steps = o.steps});
  nn::Windows windows = train.windows({.batch = batch, .steps = window});
  typename Layer::State state;
  const bool shown = isatty(STDOUT_FILENO) != 0;
  for (Index step = 0; step < o.steps; ++step) {
    auto next = windows.next();
    if (!next) {
      windows.rewind();
      state = {};
      next = windows.next();
    }
    Tape tape;
    auto out = model(next->inputs, state);
    adam.set_lr(std::max(schedule.at(step), 4e-6));
    adam.step(tape.backward(cross_entropy(out.logits, next->targets)), {.clip_norm = 5.0});
    state = detach(out.state);
    if (shown && (step % 10 == 9 || step + 1 == o.steps)) {
      std::printf("\r%s: step %lld of %lld", cell.c_str(), static_cast<long long>(step) + 1,
                  static_cast<long long>(o.steps));
      std::fflush(stdout);
    }
  }
  Dependence d = dependence(model, train, passage);
  d.cell = cell;
  d.nats = validate(model, valid, {.batch = batch, .steps = window});
  std::printf("%s%s: validation %.3f nats, looks back %.1f characters on average\n",
              shown ? "\r" : "", cell.c_str(), d.nats, d.reach());
  return d;
}

void write_files(const std::vector<Dependence>& cells, const std::vector<std::string>& characters,
                 std::size_t marked, const std::filesystem::path& out) {
  std::filesystem::create_directories(out);
  std::ofstream(out / "memory.html", std::ios::binary) << page(characters, cells, marked);
  std::ofstream all(out / "dependence.csv"), distance(out / "distance.csv");
  all << "cell,position,source,norm\n";
  distance << "cell,distance,share\n";
  for (const Dependence& d : cells) {
    for (std::size_t t = 0; t < d.norms.size(); ++t)
      for (std::size_t s = 0; s <= t; ++s)
        all << d.cell << ',' << t << ',' << s << ',' << d.norms[t][s] << '\n';
    const std::vector<double> shares = d.by_distance();
    for (std::size_t k = 0; k < shares.size() / 2; ++k)
      distance << d.cell << ',' << k << ',' << shares[k] << '\n';
  }
}

struct Recall {
  double predicted = 0;  // share of the lines whose returning letter is predicted
  double jump = 0;       // how much more that depends on the letter than on the character before it
};

Recall recall(const Dependence& d, const std::vector<std::string>& characters, Index dots) {
  double lines = 0, predicted = 0, logarithm = 0;
  for (std::size_t t = static_cast<std::size_t>(dots) + 1; t + 1 < characters.size(); ++t) {
    const std::size_t letter = t - static_cast<std::size_t>(dots);
    const bool returns = characters[t] == "." && characters[letter] == characters[t + 1] &&
                         characters[letter] != ".";
    if (!returns) continue;
    lines += 1;
    predicted += d.expected[t] == characters[letter] ? 1 : 0;
    logarithm += std::log(d.norms[t][letter] / d.norms[t][letter - 1]);
  }
  return {.predicted = predicted / lines, .jump = std::exp(logarithm / lines)};
}

int run(const Options& o) {
  Rng rng(o.seed);
  const Corpus corpus = o.recall > 0 ? Corpus{.name = "letters that come again",
                                              .text = nn::Text::of(recall_text(o.recall, rng))}
                                     : read_corpus(o.text);
  const auto [train, valid] = corpus.text.split(0.9);
  const Tensor ids = slice(valid.ids(), {.to = std::min(o.length, valid.size())});
  std::vector<std::string> characters;
  for (Index t = 0; t < ids.size(); ++t)
    characters.push_back(train.decode(slice(ids, {.from = t, .to = t + 1})));
  std::printf("%s: %lld characters\n", corpus.name.c_str(),
              static_cast<long long>(corpus.text.size()));

  std::vector<Dependence> cells;
  bool right = true;
  for (const std::string& cell : o.cells) {
    cells.push_back(cell == "rnn"   ? study<nn::RNN>("tanh RNN", train, valid, ids, o)
                    : cell == "gru" ? study<nn::GRU>("GRU", train, valid, ids, o)
                                    : study<nn::LSTM>("LSTM", train, valid, ids, o));
    if (o.recall > 0) {
      const Recall r = recall(cells.back(), characters, o.recall);
      std::printf(
          "  predicts %.0f %% of the returning letters, by the letter %.1f times as much as by "
          "what stands before it\n",
          100 * r.predicted, r.jump);
      if (cell != "rnn") right &= r.predicted > 0.9 && r.jump > 1.5;
    }
  }
  write_files(cells, characters, 2 * characters.size() / 3, o.out);
  const bool drawn = plot("memorisation", o.out);
  std::printf("in %s: memory.html, dependence.csv, distance.csv%s\n", o.out.c_str(),
              drawn ? ", distance.svg" : "; gnuplot, which is not installed, draws them");
  if (!right)
    std::fprintf(stderr,
                 "memorisation: a letter that returns is not predicted by its first place\n");
  return right ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("Shows which earlier characters the predictions of a trained model depend on.");
  const CLI::Range positive(1, 1 << 30);
  app.add_option("--text", o.text, "file to learn from; without it the project's own source")
      ->check(CLI::ExistingFile);
  app.add_option("--cells", o.cells, "which to compare")
      ->check(CLI::IsMember({"rnn", "gru", "lstm"}))
      ->capture_default_str();
  app.add_option("--recall", o.recall, "lines with a letter that comes again after so many dots")
      ->check(CLI::Range(Index{1}, window - 3));
  app.add_option("--hidden", o.hidden, "size of the state")->check(positive)->capture_default_str();
  app.add_option("--steps", o.steps, "training steps")->check(positive)->capture_default_str();
  app.add_option("--length", o.length, "characters of the passage")
      ->check(CLI::Range(2, 2000))
      ->capture_default_str();
  app.add_option("--seed", o.seed, "of everything random")->capture_default_str();
  app.add_option("--out", o.out, "folder for what comes of it")->capture_default_str();
  app.add_flag("--quick", o.quick, "the known answer with a small model, for tests");
  CLI11_PARSE(app, argc, argv);
  if (o.quick) {
    o.recall = 4;
    o.hidden = 48;
    o.steps = 700;
    o.length = 100;
    o.cells = {"gru", "lstm"};
  }
  try {
    return run(o);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "memorisation: %s\n", e.what());
    return 1;
  }
}
