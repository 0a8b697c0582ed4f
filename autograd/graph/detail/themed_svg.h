#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace unroll::graph::detail {

// One SVG out of two that differ in colours alone: where they do, it has a variable of CSS.
class ThemedSvg {
 public:
  // Nothing where they differ in anything else.
  std::optional<std::string> merged(std::string_view light, std::string_view dark);

  // "--c0:#ffffff;--c1:…" for all that was merged.
  std::string light_colours() const { return colours(true); }
  std::string dark_colours() const { return colours(false); }

 private:
  std::string colours(bool light) const;
  std::map<std::pair<std::string, std::string>, std::size_t> variables_;  // by light and dark
};

}  // namespace unroll::graph::detail
