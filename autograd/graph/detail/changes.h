#pragma once

#include <unroll/autograd/graph/detail/grouping.h>
#include <unroll/autograd/graph/diff.h>
#include <unroll/autograd/graph/picture.h>

namespace unroll::graph::detail {

// Marks what was added, removed and changed in a picture of difference.merged.
void add_changes(Picture& picture, const Grouping& grouping, const Difference& difference);

}  // namespace unroll::graph::detail
