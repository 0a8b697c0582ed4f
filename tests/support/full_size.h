#pragma once

#include <cstdlib>

namespace unroll::test {

// Some goals are about more elements than a test should take time for. UNROLL_FULL_TESTS=1 asks for
// all of them.
template <class N>
N full_or(N full, N usual) {
  return std::getenv("UNROLL_FULL_TESTS") != nullptr ? full : usual;
}

}  // namespace unroll::test
