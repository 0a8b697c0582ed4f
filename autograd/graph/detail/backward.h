#pragma once

#include <unroll/autograd/graph/detail/boxes.h>

namespace unroll::graph::detail {

// Draws beside each operation on the way to the loss its derivative, and what becomes of
// parameters' gradients. Throws where no gradient was asked for.
void add_backward(Picture& picture, const Drawn& drawn);

}  // namespace unroll::graph::detail
