#pragma once

#include <functional>

namespace unroll::graph::detail {

// Runs `work` on a thread with much stack and waits for it; Graphviz recurses along the graph. What
// it throws is thrown here.
void run_with_room(const std::function<void()>& work);

}  // namespace unroll::graph::detail
