#pragma once

#include <unroll/autograd/index.h>

#include <cstdint>
#include <vector>

namespace unroll::graph::detail {

struct EditOptions {
  Index longest =
      4096;           // up to so many insertions and deletions the result is the shortest there is
  Index chunk = 256;  // beyond, so many at a time
};

// For each letter of a the letter of b that it stays, ascending; -1: it is deleted. What of b is not
// named is inserted. Time and memory linear in the lengths (Myers 1986; anchored at letters that
// either has once, and by pieces, where the shortest edit is too long to look for).
std::vector<Index> edit_script(const std::vector<std::uint32_t>& a,
                               const std::vector<std::uint32_t>& b,
                               const EditOptions& options = {});

}  // namespace unroll::graph::detail
