#pragma once

#include <unroll/autograd/graph/detail/boxes.h>
#include <unroll/autograd/graph/draw_options.h>

namespace unroll::graph::detail {

// Amounts and scale of gradients, memory or time. Throws where the snapshot has none.
void add_overlay(Picture& picture, const Drawn& drawn, const DrawOptions& options);

}  // namespace unroll::graph::detail
