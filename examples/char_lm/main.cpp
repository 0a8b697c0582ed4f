// A character model, trained by truncated back-propagation through time. On the first 90 % of Tiny
// Shakespeare with --steps 2000 (2 layers of 128 LSTM cells, window 50, batch 50, rate 0.002) the
// validation loss is below 1.66 nats a character; see the README for the figure that was measured.
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <nlohmann/json.hpp>

#include "char_model.h"
#include "corpus.h"
#include "evaluate.h"
#include "options.h"
#include "progress.h"
#include "validate.h"

using namespace unroll;

namespace {

template <class Layer>
int run(const RunOptions& o) {
  using Model = CharModel<Layer>;
  const Corpus corpus = read_corpus(o.text);
  const auto [train, valid] = corpus.text.split(0.9);
  const std::filesystem::path out(o.out);
  std::filesystem::create_directories(out);

  seed(o.seed);
  Model model({.vocab = corpus.text.vocabulary().size(),
               .hidden = o.hidden,
               .layers = o.layers,
               .dropout = o.dropout});
  const std::string file =
      o.checkpoint.empty() ? (out / "char_lm.safetensors").string() : o.checkpoint;
  if (!o.checkpoint.empty() && std::filesystem::exists(file)) {
    nn::load(model, file);
    std::printf("read %s\n", file.c_str());
  }
  std::printf("%s: %lld characters, %lld distinct; %lld parameters, %lld threads\n",
              corpus.name.c_str(), static_cast<long long>(corpus.text.size()),
              static_cast<long long>(corpus.text.vocabulary().size()),
              static_cast<long long>(model.parameters().elements()),
              static_cast<long long>(threads()));
  draw_graph(model, train, o, out);

  nn::Windows windows = train.windows({.batch = o.batch, .steps = o.window});
  optim::Adam adam(model.parameters(), {.lr = o.learning_rate});
  const auto schedule =
      optim::cosine({.lr = o.learning_rate, .steps = std::max<Index>(1, o.steps)});
  typename Model::State state;  // empty: zeros at first use
  std::ofstream curve(out / "loss.csv");
  curve << "step,train_nats,valid_nats\n";
  Progress progress(o.steps);
  double smooth = std::log(static_cast<double>(corpus.text.vocabulary().size()));
  const double untrained = smooth;
  double valid_nats = -1;
  double training_seconds = 0;
  const Index between = std::max<Index>(1, o.steps / 10);
  for (Index step = 0; step < o.steps; ++step) {
    auto window = windows.next();
    if (!window) {  // the text is over: from the start again, with an empty state
      windows.rewind();
      window = windows.next();
      state = {};
    }
    const double before = progress.seconds();
    double loss_value = 0;
    {
      Tape tape;
      auto result = model(window->inputs, state);
      Tensor loss = cross_entropy(result.logits, window->targets);
      adam.set_lr(std::max(schedule.at(step), 1e-3 * o.learning_rate));
      adam.step(tape.backward(loss), {.clip_norm = 5.0});
      state = detach(result.state);
      loss_value = loss.item();
    }
    training_seconds += progress.seconds() - before;
    smooth += (loss_value - smooth) * (step < 20 ? 0.3 : 0.05);
    curve << step + 1 << ',' << loss_value << ',';
    if ((step + 1) % between == 0)
      curve << (valid_nats = validate(model, valid, {.batch = o.batch, .steps = o.window}));
    curve << '\n';
    progress.show(step + 1, smooth, valid_nats,
                  static_cast<double>((step + 1) * o.batch * o.window));
  }
  progress.finish();
  if (o.steps > 0)
    nn::save(model, file, {{"cell", o.cell}, {"vocabulary", corpus.text.vocabulary().escaped()}});
  if (valid_nats < 0) valid_nats = validate(model, valid, {.batch = o.batch, .steps = o.window});

  Rng rng(o.seed);
  const std::string first = corpus.text.decode(tensor({train[0]}));
  const std::string written =
      first + nn::generate(model, corpus.text, first, rng,
                           {.length = o.sample, .temperature = o.temperature});
  std::ofstream(out / "sample.txt") << written << '\n';
  std::printf("\n%s\n\nvalidation: %.4f nats, %.4f bits a character\n", written.c_str(), valid_nats,
              valid_nats / std::log(2.0));
  if (o.json) {
    const double characters = static_cast<double>(o.steps * o.batch * o.window);
    const nlohmann::ordered_json line = {
        {"steps", o.steps},
        {"train_nats", smooth},
        {"valid_nats", valid_nats},
        {"chars_per_second", training_seconds > 0 ? characters / training_seconds : 0.0},
        {"parameters", model.parameters().elements()}};
    std::printf("%s\n", line.dump().c_str());
  }
  const bool learnt = o.steps < 50 || smooth < untrained - 0.5;
  if (!learnt)
    std::fprintf(stderr, "char_lm: the loss fell from %.3f to %.3f only\n", untrained, smooth);
  return learnt ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  RunOptions options;
  if (const int status = parse(argc, argv, options); status >= 0) return status;
  try {
    set_threads(options.threads);
    if (options.cell == "rnn") return run<nn::RNN>(options);
    if (options.cell == "gru") return run<nn::GRU>(options);
    return run<nn::LSTM>(options);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "char_lm: %s\n", e.what());
    return 1;
  }
}
