#include <unroll/autograd/detail/atomic_file.h>
#include <unroll/autograd/detail/utf8.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/graph/detail/html.h>
#include <unroll/autograd/graph/dot.h>
#include <unroll/autograd/graph/json.h>
#include <unroll/autograd/graph/write.h>

#include <span>

namespace unroll::graph::detail {
namespace {

// In small letters, without the point; empty where the file's name has none.
std::string ending_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::size_t begin = slash == std::string::npos ? 0 : slash + 1;
  const std::size_t point = path.rfind('.');
  if (point == std::string::npos || point <= begin) return {};
  std::string ending = path.substr(point + 1);
  for (char& c : ending)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return ending;
}

bool is_picture(const std::string& ending) {
  return ending == "svg" || ending == "png" || ending == "pdf" || ending == "html";
}

// Refused before anything is drawn, which may take long. `what` is asked for: a file, a format.
void check_format(const std::string& format, Renderer renderer, const std::string& what) {
  if (is_picture(format) && renderer == nullptr)
    fail_nowhere("graph",
                 {.given = what + ", but this program is not linked with Graphviz",
                  .needed = "the target unroll::graph, which is built where Debian's package "
                            "libgraphviz-dev is installed",
                  .hint = "target_link_libraries(my_model PRIVATE unroll::graph); without it "
                          ".dot and .json can be written"});
  if (!is_picture(format) && format != "dot" && format != "json")
    fail_nowhere("graph",
                 {.given = what, .needed = "svg, png, pdf, html, dot or json", .hint = {}});
}

std::string checked_format(const std::string& path, Renderer renderer) {
  std::string format = ending_of(path);
  check_format(format, renderer, "file " + unroll::detail::printable(path));
  return format;
}

std::string json_of(const Snapshot& snapshot) { return to_json(snapshot); }
std::string json_of(const Difference&) {
  fail_nowhere("graph", {.given = "a difference as JSON",
                         .needed = "a picture of it, or the JSON of a snapshot",
                         .hint = "graph::write(\"change.svg\", difference), "
                                 "graph::write(\"after.json\", difference.merged)"});
}

std::string made(const std::string& format, const auto& graph, const DrawOptions& options,
                 Renderer renderer) {
  if (format == "json") return json_of(graph);
  const Picture drawn = picture(graph, options);
  if (format == "html") return html(drawn, options, renderer);
  std::string dot = to_dot(drawn, options);
  return format == "dot" ? dot : renderer(dot, format);
}

void put(const std::string& path, const std::string& text) {
  unroll::detail::AtomicFile file("graph", path);
  file.write(std::as_bytes(std::span(text)));
  file.commit();
}

}  // namespace

std::string text_of(const std::string& format, const Snapshot& snapshot, const DrawOptions& options,
                    Renderer renderer) {
  check_format(format, renderer, "format " + unroll::detail::printable(format));
  return made(format, snapshot, options, renderer);
}

std::string text_of(const std::string& format, const Difference& difference,
                    const DrawOptions& options, Renderer renderer) {
  check_format(format, renderer, "format " + unroll::detail::printable(format));
  return made(format, difference, options, renderer);
}

void write(const std::string& path, const Snapshot& snapshot, const DrawOptions& options,
           Renderer renderer) {
  const std::string format = checked_format(path, renderer);
  put(path, made(format, snapshot, options, renderer));
}

void write(const std::string& path, const Difference& difference, const DrawOptions& options,
           Renderer renderer) {
  const std::string format = checked_format(path, renderer);
  put(path, made(format, difference, options, renderer));
}

}  // namespace unroll::graph::detail
