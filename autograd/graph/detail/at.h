#pragma once

#include <unroll/autograd/index.h>

#include <cstddef>

namespace unroll::graph::detail {

// An Index as an index of a std::vector.
inline std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace unroll::graph::detail
