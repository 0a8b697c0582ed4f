#pragma once

#include <unroll/autograd/graph/picture.h>
#include <unroll/autograd/graph/write.h>

#include <string>
#include <string_view>

namespace unroll::graph::detail {

// The parts of the page, autograd/graph/page. In page.html stands {{name}} for what is filled in.
extern const std::string_view page_html;
extern const std::string_view page_css;
extern const std::string_view page_js;

// One file that needs nothing else: the picture as SVG in both themes, what its boxes say as data,
// and a program that zooms, searches and shows it.
std::string html(const Picture& picture, const DrawOptions& options, Renderer renderer);

}  // namespace unroll::graph::detail
