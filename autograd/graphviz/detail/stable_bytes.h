#pragma once

#include <string>
#include <string_view>

namespace unroll::graph::detail {

// Without comments (Graphviz's version) and without a reference to a document type on the net.
std::string stable_svg(std::string_view svg);

// With a fixed date of creation.
std::string stable_pdf(std::string pdf);

}  // namespace unroll::graph::detail
