#include <unroll/autograd/graph/detail/themed_svg.h>

#include <vector>

namespace unroll::graph::detail {
namespace {

struct Piece {
  std::string_view before;  // up to and including the quote that a colour stands in
  std::string_view colour;  // empty at the end
};

// In the text of an SVG a quote is written &quot;, so what looks like an attribute is one.
Piece next_piece(std::string_view& rest) {
  std::size_t at = 0;
  while ((at = rest.find("=\"", at)) != std::string_view::npos) {
    const std::string_view name = rest.substr(0, at);
    at += 2;
    if (!name.ends_with(" fill") && !name.ends_with(" stroke")) continue;
    const std::string_view colour = rest.substr(at, rest.find('"', at) - at);
    const Piece piece{.before = rest.substr(0, at), .colour = colour};
    rest.remove_prefix(at + colour.size());
    return piece;
  }
  return {.before = std::exchange(rest, {}), .colour = {}};
}

}  // namespace

std::optional<std::string> ThemedSvg::merged(std::string_view light, std::string_view dark) {
  std::string out;
  while (!light.empty() || !dark.empty()) {
    const Piece a = next_piece(light);
    const Piece b = next_piece(dark);
    if (a.before != b.before) return std::nullopt;
    out += a.before;
    if (a.colour == b.colour) {
      out += a.colour;
      continue;
    }
    const std::pair<std::string, std::string> colours(a.colour, b.colour);
    const std::size_t number = variables_.try_emplace(colours, variables_.size()).first->second;
    out += "var(--c" + std::to_string(number) + ")";
  }
  return out;
}

std::string ThemedSvg::colours(bool light) const {
  std::vector<const std::string*> by_number(variables_.size());
  for (const auto& [colours, number] : variables_)
    by_number[number] = light ? &colours.first : &colours.second;
  std::string out;
  for (std::size_t i = 0; i < by_number.size(); ++i)
    out += "--c" + std::to_string(i) + ":" + *by_number[i] + ";";
  return out;
}

}  // namespace unroll::graph::detail
