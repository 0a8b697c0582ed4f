#pragma once

#include <unroll/autograd/graph/snapshot.h>
#include <unroll/autograd/rng.h>

#include <string>

namespace unroll::test {

// Bytes of any kind: of one, of what DOT, HTML and JavaScript treat in a special way, broken UTF-8,
// control characters, nothing, or very many.
std::string hostile_name(Rng& rng);

// Six leaves and twelve operations, each with two different operands, whose names, paths, results
// and states have such names.
graph::Snapshot hostile_graph(Rng& rng);
inline constexpr Index names_in_hostile_graph = 6 + 12 * 4;

}  // namespace unroll::test
