#pragma once

#include <unroll/autograd/graph/picture.h>

#include <string>
#include <string_view>

namespace unroll::graph {

// Graphviz's DOT: parameters, inputs, operations, states and the loss look different, modules and
// loops are nested clusters, shapes stand on the arrows, a legend explains. Any byte string in a
// name comes out printable. The same picture gives the same text.
std::string to_dot(const Snapshot& snapshot, const DrawOptions& options = {});
std::string to_dot(const Difference& difference, const DrawOptions& options = {});
std::string to_dot(const Picture& picture, const DrawOptions& options);  // theme and legend alone

// UTF-8 as it is, other bytes and control characters as \xNN; at most `most` characters, then "…".
std::string printable(std::string_view text, std::size_t most = 60);

}  // namespace unroll::graph
