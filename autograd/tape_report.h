#pragma once

#include <unroll/autograd/index.h>

#include <iosfwd>
#include <string>
#include <vector>

namespace unroll {

// What a tape holds, or held before backward, and where it comes from:
//   std::cout << tape.report();
// The memory of one block counts once, for the operation that saved it first, however many views
// of it are saved. Parameters are not counted: they live without the tape. Inputs that recompute()
// keeps count, where no operation saved them, as saved by a "recompute" that has no nodes. What is
// made anew from them counts while it is there; what the function has captured never does.
struct TapeReport {
  // Of one kind of operation, one module, or one time step.
  struct Entry {
    std::string name = {};   // "matmul"; "encoder.lstm.0.forward", empty outside of modules
    Index step = -1;         // of steps; -1: outside of time
    Index nodes = 0;         // operations recorded
    Index saved_bytes = 0;   // blocks of the pool kept for backward, also when it has run
    Index output_bytes = 0;  // elements made by the operations; views make none
  };

  bool open = true;  // whether it still records
  Index nodes = 0;
  Index leaves = 0;  // parameters read and tensors watched
  Index saved_bytes = 0;
  Index held_bytes = 0;  // of those saved, still held now: all while open, 0 after backward
  Index output_bytes = 0;
  Index graph_bytes = 0;  // the recording itself: nodes, shapes, attributes
  // Each ordered by saved bytes, then by bytes of outputs, the largest first.
  std::vector<Entry> operations = {};
  std::vector<Entry> modules = {};
  std::vector<Entry> steps = {};
};

// Three tables with totals; long ones are cut, and say what is left out.
std::ostream& operator<<(std::ostream& out, const TapeReport& report);

}  // namespace unroll
