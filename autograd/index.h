#pragma once

#include <cstdint>

namespace unroll {

// Every size, count, length, axis, position and id of the interface.
using Index = std::int64_t;

}  // namespace unroll
