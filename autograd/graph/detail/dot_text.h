#pragma once

#include <string>
#include <string_view>

namespace unroll::graph::detail {

// A printable text for Graphviz: in quotes, as an escString; and inside of an HTML-like label.
std::string in_quotes(std::string_view printable);
std::string in_html(std::string_view printable);

}  // namespace unroll::graph::detail
