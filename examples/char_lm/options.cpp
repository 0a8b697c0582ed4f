#include "options.h"

#include <CLI/CLI.hpp>

int parse(int argc, char** argv, RunOptions& o) {
  CLI::App app(
      "Trains a recurrent network to predict the next character of a text, and lets it write.");
  const CLI::Range positive(1, 1 << 30);
  app.add_option("--text", o.text, "file to learn from; without it the project's own source")
      ->check(CLI::ExistingFile);
  app.add_option("--cell", o.cell, "kind of cell")
      ->check(CLI::IsMember({"rnn", "lstm", "gru"}))
      ->capture_default_str();
  app.add_option("--hidden", o.hidden, "size of the state")->check(positive)->capture_default_str();
  app.add_option("--layers", o.layers, "recurrent layers")->check(positive)->capture_default_str();
  app.add_option("--steps", o.steps, "training steps; 0 only samples")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--window", o.window, "characters of one window of back-propagation")
      ->check(positive)
      ->capture_default_str();
  app.add_option("--batch", o.batch, "parts of the text read side by side")
      ->check(positive)
      ->capture_default_str();
  app.add_option("--dropout", o.dropout, "between layers and before the head")
      ->check(CLI::Range(0.0, 0.99))
      ->capture_default_str();
  app.add_option("--learning-rate", o.learning_rate, "of Adam at the start of its cosine")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--seed", o.seed, "of everything random")->capture_default_str();
  app.add_option("--threads", o.threads, "0 is all; the result is the same")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--sample", o.sample, "characters to write at the end")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--temperature", o.temperature, "of sampling; 0 takes the likeliest")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--checkpoint", o.checkpoint,
                 "model file: read first where it exists, written at the end");
  app.add_option("--out", o.out, "folder for what comes of it")->capture_default_str();
  app.add_flag("--json", o.json, "end with one line of JSON");
  app.add_flag("--quick", o.quick, "a small model for a few steps, for tests");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e);
  }
  if (o.quick) {
    o.hidden = 48;
    o.layers = 1;
    o.steps = 60;
    o.sample = 60;
  }
  return -1;
}
