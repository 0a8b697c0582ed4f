#pragma once

#include <unroll/autograd/graph/snapshot.h>

#include <string>

namespace unroll::graph::detail {

// "tanh at lstm.0.forward, t=3, layer 0 forward"; bytes that are no text come out as \xNN.
std::string name_of(const Node& node);
// "f64 [2, 3]".
std::string form_of(const Value& value);
// "parameter lstm.0.forward.Wx f64 [3, 4]", "input f64 [2, 3]", "affine f64 [2, 4] (operation 3)".
std::string name_of(const Snapshot& snapshot, Index value);
std::string name_of(const Snapshot& snapshot, Index value, const Value& form);  // of other form
// "tanh at rnn, t=0: affine f64 [2, 4] (operation 3) -> f64 [2, 4]".
std::string describe(const Snapshot& snapshot, Index node);
// The right side alone: operands and results.
std::string operands_and_results(const Snapshot& snapshot, Index node);

}  // namespace unroll::graph::detail
