#pragma once

#include <unroll/autograd/graph/snapshot.h>

#include <array>
#include <span>
#include <string>
#include <vector>

namespace unroll::graph {

// Where an operand of a folded operation comes from, over a run of `count` iterations of its
// variant: iterations[begin], iterations[begin + 1], …, of which i counts from 0.
struct Source {
  enum class Kind {
    constant,  // of no node and no leaf
    leaf,      // value `value + i · value_stride`
    inside,    // output `output` of operation `node` of the same iteration
    delayed,   // of operation `node` of variant `variant`, `delay` iterations before
    outside    // output `output + i · output_stride` of recorded node `node + i · node_stride`;
               // that may be of the same loop: the first iteration's, read by all others
  };
  Kind kind = Kind::constant;
  Index begin = 0;
  Index count = 0;
  Index value = -1;
  Index node = -1;
  Index output = 0;
  Index variant = 0;
  Index delay = 0;
  Index value_stride = 0;
  Index node_stride = 0;
  Index output_stride = 0;
};

// What an operation makes, over such a run: the shape grows by the same extents with each iteration.
struct Result {
  Index begin = 0;
  Index count = 0;
  Shape shape = {};
  std::array<Index, Shape::max_rank> growth = {};
  Index label = 0;  // of Folded::labels
};

// A number that stays or grows evenly, over such a run.
struct Progress {
  Index begin = 0;
  Index count = 0;
  Index first = 0;
  Index stride = 0;
};

// A loop of the program found in the recording: consecutive iterations that record the same
// operations. Iterations are told apart by their time steps where the recording has them, and by
// repetition alone (three times at least) where it has none.
struct Loop {
  Index first_node = 0;  // of the recording; its nodes are consecutive
  Index layer = -1;      // -1 also where its operations are of several layers
  Direction direction = Direction::none;
  std::vector<Index> steps;    // time step of each iteration, in the order of recording; -1: none,
                               // or its operations are of several
  std::vector<Index> variant;  // of each iteration: which of the variants it is
  std::vector<Index> starts;   // first recorded node of each iteration

  struct Operand {
    std::vector<Source> sources;  // in order; covers the iterations that have so many operands
  };
  struct Operation {
    Index signature = 0;                       // of Folded::signatures
    std::vector<Operand> operands;             // as many as the iteration with the most has
    std::vector<Progress> inputs = {};         // how many an iteration has; none: all of them
    std::vector<std::vector<Result>> outputs;  // of each output; cover all iterations
    std::vector<Progress> steps = {};          // none: that of the iteration
  };
  // An iteration's operations. Iterations of one variant agree in operations, modules, dtypes and
  // in how they are connected inside; shapes may differ, and how many operands from elsewhere stand
  // side by side: all earlier states, of which there are more in each iteration.
  struct Variant {
    std::vector<Operation> operations;
    Index example = 0;              // first recorded node of its first iteration
    std::vector<Index> iterations;  // which they are, ascending
  };
  std::vector<Variant> variants;
};

// The recording with its loops written once. Nodes outside of loops stay as they are.
struct Folded {
  struct Item {           // in the order of recording
    Index loop = -1;      // -1: the single node `node`, of which follow
    Index node = -1;      // of the recording; the loop's first
    Index signature = 0;  // of `signatures`
    Index step = -1;
    Index inputs = 0;
  };
  std::vector<Item> items;
  std::vector<Loop> loops;

  // What operations have in common.
  struct Signature {
    std::string operation = {};
    std::string path = {};
    Index layer = -1;
    Direction direction = Direction::none;
    int order = 0;
    bool view = false;
    std::vector<DType> outputs = {};

    friend bool operator==(const Signature&, const Signature&) = default;
  };
  std::vector<Signature> signatures;
  struct Label {
    std::string name = {};
    std::string state = {};
    bool parameter = false;

    friend bool operator==(const Label&, const Label&) = default;
  };
  std::vector<Label> labels;  // the first is empty
  struct Leaf {
    Index value = 0;  // its number
    Shape shape = {};
    DType dtype = f32;
    Index label = 0;
  };
  std::vector<Leaf> leaves;
  std::vector<Index> single_inputs;    // of all single nodes, one after the other
  std::vector<Result> single_outputs;  // likewise; iterations are outputs here
  Index nodes = 0;                     // recorded
  Index loss = -1;

  // Where a recorded node is: loop -1 where in none.
  struct Place {
    Index loop = -1;
    Index iteration = 0;
    Index variant = 0;
    Index operation = 0;
  };
  Place place(Index node) const;
};

// Memory linear in the size of the snapshot, and time nearly so. Throws as check() does.
Folded fold(const Snapshot& snapshot);

// The recording again, without what is measured (statistics, norms, seconds, saved bytes).
Snapshot unfold(const Folded& folded);

// "0–3, 7": numbers that ascend or descend by one are a range.
std::string ranges(std::span<const Index> numbers);

}  // namespace unroll::graph
