#pragma once

#include <unroll/autograd/index.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

// What is timed: one training step or one inference of a recurrent network, the cost of one
// recorded operation, or one large operation. Sizes: layers L, steps T, batch B, input I, hidden H,
// vocabulary V (0: dense input, the loss is the mean square of the outputs).
struct Sizes {
  const char* name;
  unroll::Index layers, steps, batch, input, hidden, vocab;
};
const std::vector<Sizes>& all_sizes();

struct Case {
  std::string name;       // "lstm/charlm-128"
  std::string unit;       // "ms" a call, "ns" an operation
  double per_call = 1;    // how many units of work a call does, for a figure in ns
  bool memory = false;    // whether the most memory that a call holds is of interest
  bool resident = false;  // … of the process, as the system counts, tensors or not
  std::function<void()> call;
};

// Names of all cases; of one, made ready to be called. Throws for an unknown name.
std::vector<std::string> case_names();
Case make_case(const std::string& name, bool train);

// Single operations and optimisers on large tensors, and the plain copies that are their floor.
using Maker = std::function<Case(bool train)>;
std::vector<std::pair<std::string, Maker>> single_cases();

// Recomputation over time, with the memory it takes.
std::vector<std::pair<std::string, Maker>> recompute_cases();

// Recorded graphs of many operations: folded, drawn, written.
std::vector<std::pair<std::string, Maker>> graph_cases();

// The layers of an LSTM as products and fused pointwise passes in a bare loop: no tape, no tensors
// made.
std::function<void()> bare_lstm(const Sizes& sizes, bool train);
