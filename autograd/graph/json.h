#pragma once

#include <unroll/autograd/graph/snapshot.h>

#include <iosfwd>
#include <string>

namespace unroll::graph {

// {"format": "unroll graph 1", "loss": …, "nodes": [{"operation": "tanh", …}, …], "values": […]}.
// What is at its default is left out. Names that are no UTF-8 are written as {"bytes": [255, …]},
// so that from_json(to_json(s)) is s to the bit. The same snapshot gives the same text.
std::string to_json(const Snapshot& snapshot);
void to_json(std::ostream& out, const Snapshot& snapshot);

// Throws Error with line and what was expected where the text is no such graph (see check()).
Snapshot from_json(const std::string& text);
Snapshot from_json(std::istream& in);
Snapshot read(const std::string& path);  // a .json file; also names the file where it throws

}  // namespace unroll::graph
