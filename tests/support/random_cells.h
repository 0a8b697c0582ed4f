#pragma once

#include <unroll/autograd/graph.h>
#include <unroll/unroll.h>

#include <string>
#include <vector>

// Recurrent programs drawn at random: a cell of any operations, and ways to run it over time.
namespace unroll::test {

struct RandomCell : nn::Module {
  enum class Step { tanh, sigmoid, add, mul, affine, concat_halves, softmax, gate, scale };
  struct Instruction {
    Step kind = Step::tanh;
    std::size_t a = 0, b = 0;  // of the values so far
  };
  struct Options {
    Index input = 0, hidden = 0;
    std::uint64_t seed = 0;
    bool branches = false;  // more is done where the state's sum is positive
  };
  struct State {
    Tensor h, c, before;  // the state two steps before
  };
  explicit RandomCell(Options o);

  Tensor project(const Tensor& x) const { return affine(x, Wx, b); }
  State step(const Tensor& x, const State& s) const;

  const Options options;
  nn::Parameter Wx{*this, "Wx", {options.input, options.hidden}, init::xavier()};
  nn::Parameter Wh{*this, "Wh", {options.hidden, options.hidden}, init::orthogonal()};
  nn::Parameter Wc{*this, "Wc", {options.hidden, options.hidden}, init::orthogonal()};
  nn::Parameter b{*this, "b", {options.hidden}, init::zeros()};

 private:
  std::vector<Instruction> instructions_;
};

enum class Program {
  layers,         // nn::Recurrent: one to three layers, both directions or one
  with_lengths,   // and sequences of several lengths
  bare_loop,      // for (…) without nn::TimeStep
  labelled_loop,  // with it
  branches,       // that depend on the data
  bare_branches,
  attention,  // over all earlier states, of a loop with nn::TimeStep
  bare_attention,
  gradients,  // a recorded gradient of any of the above, and a gradient of it
};
// Of 1 to 40 steps; the same for the same seed.
graph::Snapshot record_program(Program program, std::uint64_t seed);
std::string text_of(Program program);

}  // namespace unroll::test
