#pragma once

#include <unroll/autograd/graph/detail/grouping.h>
#include <unroll/autograd/graph/detail/links.h>
#include <unroll/autograd/graph/draw_options.h>

namespace unroll::graph::detail {

// Only what depends on the focus or what it depends on. Throws for what is not there.
Grouping focused(const Recorded& recorded, const Grouping& from, const Focus& focus);

// Modules that lie deeper are one box each, with their parameters. A module around a loop swallows
// it; one inside of a loop stays there.
Grouping collapsed(const Recorded& recorded, const Grouping& from, Index depth);

// So many groups at most: those nearest to `centre`, nodes of the recording; where there are none to
// the loss, and without one to the end.
Grouping thinned(const Recorded& recorded, const Grouping& from, const std::vector<Link>& links,
                 const std::vector<Index>& centre, Index most);

}  // namespace unroll::graph::detail
