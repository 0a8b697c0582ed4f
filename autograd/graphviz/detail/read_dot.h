#pragma once

#include <string>

#include <cgraph.h>

namespace unroll::graph::detail {

// Like agmemread(), but names are numbered in the order of the text. Graphviz itself numbers them by
// the addresses where it keeps them and lays out frames in that order, another one in every run.
// nullptr for what is no DOT.
Agraph_t* read_dot(const std::string& dot);

}  // namespace unroll::graph::detail
