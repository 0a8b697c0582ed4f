#include <unroll/autograd/graphviz/detail/stable_bytes.h>

#include <algorithm>

namespace unroll::graph::detail {

std::string stable_svg(std::string_view svg) {
  std::string result = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\"?>\n";
  svg.remove_prefix(std::min(svg.find("<svg"), svg.size()));
  while (true) {
    const std::size_t begin = svg.find("<!--");
    result += svg.substr(0, begin);
    if (begin == std::string_view::npos) return result;
    std::size_t end = svg.find("-->", begin + 4);
    end = end == std::string_view::npos ? svg.size() : end + 3;
    if (end < svg.size() && svg[end] == '\n') ++end;
    svg.remove_prefix(end);
  }
}

std::string stable_pdf(std::string pdf) {
  // In place: the table at the end says at which byte each object begins.
  constexpr std::string_view key = "/CreationDate (D:";
  for (std::size_t at = pdf.find(key); at != std::string::npos; at = pdf.find(key, at)) {
    at += key.size();
    for (std::size_t k = 0; k < 14 && at + k < pdf.size(); ++k)
      if (pdf[at + k] >= '0' && pdf[at + k] <= '9') pdf[at + k] = "20000101000000"[k];
  }
  return pdf;
}

}  // namespace unroll::graph::detail
