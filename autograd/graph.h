#pragma once

#include <unroll/autograd/dtype.h>
#include <unroll/autograd/shape.h>

#include <cstdint>
#include <string>
#include <vector>

// The recorded graph as plain data: it can be kept, written and compared after the tape, the model
// and the tensors are gone. Numbers are the tape's own, the same in every run.
namespace unroll::graph {

// A tensor on the tape: a leaf or the output of a node.
struct Value {
  Shape shape = {};
  DType dtype = f32;
  Index node = -1;        // that made it; -1: a leaf
  std::string name = {};  // path of a parameter, or the name the user gave; may be empty
  bool parameter = false;
};

// A recorded operation.
struct Node {
  std::string operation = {};
  std::string path = {};           // of the module at work; empty where unknown
  Index step = -1;                 // time step; -1: none
  std::vector<Index> inputs = {};  // values; -1: a constant
  std::vector<Index> outputs = {};
};

struct Snapshot {
  std::vector<Node> nodes;  // in the order of recording
  std::vector<Value> values;
};

// Graphviz's DOT: parameters, inputs, operations look different, modules are nested clusters,
// shapes stand on the edges. Any byte string in a name comes out printable.
std::string to_dot(const Snapshot& snapshot);
std::string to_json(const Snapshot& snapshot);

// Writes a file, in the form that its ending names: .dot or .json. Throws where it cannot.
void write(const std::string& path, const Snapshot& snapshot);

}  // namespace unroll::graph
