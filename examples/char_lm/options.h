#pragma once

#include <unroll/unroll.h>

#include <cstdint>
#include <string>

// What can be said on the command line.
struct RunOptions {
  std::string text;  // empty: the project's own source
  std::string cell = "lstm";
  unroll::Index hidden = 128;
  unroll::Index layers = 2;
  unroll::Index steps = 1200;
  unroll::Index window = 50;
  unroll::Index batch = 50;
  double dropout = 0;
  double learning_rate = 2e-3;
  std::uint64_t seed = 1;
  unroll::Index threads = 0;  // 0: all
  unroll::Index sample = 600;
  double temperature = 0.8;
  std::string checkpoint;  // empty: OUT/char_lm.safetensors, written only
  std::string out = "out";
  bool json = false;
  bool quick = false;
};

// Returns an exit status to leave with, or -1 to go on.
int parse(int argc, char** argv, RunOptions& options);
