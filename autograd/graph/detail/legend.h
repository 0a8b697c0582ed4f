#pragma once

#include <unroll/autograd/graph/picture.h>

#include <string>

namespace unroll::graph::detail {

// An HTML-like label: the title, what colours and arrows mean, of those that the picture has; its scale and its
// notes. Empty where there is nothing to say.
std::string legend(const Picture& picture, const DrawOptions& options);

}  // namespace unroll::graph::detail
