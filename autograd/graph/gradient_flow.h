#pragma once

#include <unroll/autograd/graph/snapshot.h>

#include <iosfwd>
#include <string>
#include <vector>

namespace unroll {
class Tape;
}

namespace unroll::graph {

// ‖∂loss/∂h_t‖₂ over time, of one field of one layer's state, in one call of the layer.
struct FlowSeries {
  std::string path = {};   // of the cell: "lstm.0.forward"
  std::string state = {};  // "h", "c"
  Index layer = -1;
  Direction direction = Direction::none;
  Index call = 0;                  // of those of this layer on the tape
  std::vector<Index> steps = {};   // ascending
  std::vector<double> norms = {};  // beside each step; 0 where the loss does not depend on it

  // The factor by which the norm changes for a step back in time, least squares on its logarithm
  // over steps whose norm is finite and not 0; below 1: it vanishes, above: it explodes. A layer
  // that reads backwards has its past at greater steps. NaN for fewer than two.
  double growth() const;
};

struct GradientFlow {
  std::vector<FlowSeries> series = {};  // in the order of recording
};

// Needs backward(loss, {.keep_norms = true}) before; throws and says so. States of steps that are
// recomputed are not on the tape.
GradientFlow gradient_flow(const Tape& tape);
GradientFlow gradient_flow(const Snapshot& snapshot);

// path,state,layer,direction,call,step,norm: a line per step; numbers read back are the same.
void write_csv(std::ostream& out, const GradientFlow& flow);

}  // namespace unroll::graph
