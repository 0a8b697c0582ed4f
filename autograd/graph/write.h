#pragma once

#include <unroll/autograd/graph/diff.h>
#include <unroll/autograd/graph/draw_options.h>
#include <unroll/autograd/graph/snapshot.h>

#include <string>

namespace unroll::graph {
namespace detail {

// Draws DOT as "svg", "png" or "pdf". A program that is linked with unroll::graph has one.
using Renderer = std::string (*)(const std::string& dot, const std::string& format);
#ifdef UNROLL_GRAPHVIZ
std::string render(const std::string& dot, const std::string& format);
[[maybe_unused]] static constexpr Renderer linked_renderer = &render;
#else
[[maybe_unused]] static constexpr Renderer linked_renderer = nullptr;
#endif
// The text or the bytes of a file in a format: "dot", "json", "svg", "png", "pdf", "html".
std::string text_of(const std::string& format, const Snapshot& snapshot, const DrawOptions& options,
                    Renderer renderer);
std::string text_of(const std::string& format, const Difference& difference,
                    const DrawOptions& options, Renderer renderer);
void write(const std::string& path, const Snapshot& snapshot, const DrawOptions& options,
           Renderer renderer);
void write(const std::string& path, const Difference& difference, const DrawOptions& options,
           Renderer renderer);

}  // namespace detail

// Writes a file in the form that its ending names: .dot and .json (the whole graph, whatever the
// options; not of a difference) always; .svg, .png, .pdf and .html (one file with zoom, search and
// details on a click, in the reader's theme unless options ask for the dark one) where the program is
// linked with unroll::graph, which brings Graphviz. Throws where it cannot, leaving a file that was
// there as it was.
// Internal linkage: files of one program may or may not be compiled with unroll::graph.
[[maybe_unused]] static void write(const std::string& path, const Snapshot& snapshot,
                                   const DrawOptions& options = {}) {
  detail::write(path, snapshot, options, detail::linked_renderer);
}
[[maybe_unused]] static void write(const std::string& path, const Difference& difference,
                                   const DrawOptions& options = {}) {
  detail::write(path, difference, options, detail::linked_renderer);
}

}  // namespace unroll::graph
