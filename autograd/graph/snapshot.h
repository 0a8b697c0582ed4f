#pragma once

#include <unroll/autograd/dtype.h>
#include <unroll/autograd/shape.h>
#include <unroll/autograd/tensor.h>

#include <optional>
#include <span>
#include <string>
#include <vector>

// The recorded graph as plain data: it can be kept, written and compared after the tape, the model
// and the tensors are gone. Numbers are the tape's own, the same in every run.
namespace unroll::graph {

// Of the elements of a tensor that are finite (0 where there are none), and how many are not.
struct Statistics {
  double mean = 0;
  double deviation = 0;  // sqrt(mean((x - mean)²))
  double least = 0;
  double most = 0;
  Index nan = 0;
  Index infinite = 0;
  Index zeros = 0;

  friend bool operator==(const Statistics&, const Statistics&) = default;
};

// A tensor on the tape: a leaf or the output of a node.
struct Value {
  Shape shape = {};
  DType dtype = f32;
  Index node = -1;        // that made it; -1: a leaf
  std::string name = {};  // path of a parameter, or the name the user gave; may be empty
  bool parameter = false;
  std::string state = {};  // "h": it is this field of a recurrent state after a time step
  std::optional<Statistics> statistics = {};  // with TapeOptions::statistics
  // ‖∂loss/∂value‖₂, with BackwardOptions::keep_norms; none where nothing flowed.
  std::optional<double> gradient_norm = {};

  Index bytes() const { return shape.size() * static_cast<Index>(element_bytes(dtype)); }
};

enum class Direction { none, forward, backward };

// A recorded operation.
struct Node {
  std::string operation = {};
  std::string path = {};                  // of the module at work; empty where unknown
  Index step = -1;                        // time step; -1: none
  Index layer = -1;                       // of a recurrent layer that runs it; -1: none
  Direction direction = Direction::none;  // in which that layer reads the sequence
  int order = 0;      // 0: the program's own; 1: recorded by a gradient, 2: by one of that, …
  bool view = false;  // its results are regions of its operand's memory
  std::vector<Index> inputs = {};      // values; -1: a constant
  std::vector<Index> outputs = {};     // values, ascending; those of later nodes are greater
  Index saved_bytes = 0;               // kept for backward, as TapeReport counts them
  std::optional<double> seconds = {};  // since the operation before it, with TapeOptions::timings
  std::optional<double> backward_seconds = {};  // its derivative in the last backward, likewise
};

// What snapshot() puts in beside what was recorded.
struct SnapshotOptions {
  // Those that the tape never read become leaves without users: what the loss cannot reach. Frozen
  // ones are left out. {.parameters = model.parameters()}
  std::span<const Tensor> parameters = {};
};

struct Snapshot {
  std::vector<Node> nodes;  // in the order of recording
  std::vector<Value> values;
  Index loss = -1;  // the value that backward() was last asked about; before it, gradient()
};

// Memory that a value takes for itself: none where it is a region of another.
Index own_bytes(const Snapshot& snapshot, const Value& value);

// What became of a node or a value between two recordings; changed: other shapes or operands.
enum class Change { none, added, removed, changed };

// Throws where numbers point nowhere or a value is used before it is made.
void check(const Snapshot& snapshot);

}  // namespace unroll::graph
