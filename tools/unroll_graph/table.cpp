#include "table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace graph_tool {
namespace {

std::size_t width_of(const std::string& text) {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

std::string with_digits(double number, const char* unit) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.4g%s", number, unit);
  return text.data();
}

}  // namespace

std::string Table::text(std::size_t most) const {
  const std::size_t shown = most == 0 ? rows_.size() : std::min(rows_.size(), most + 1);
  std::vector<std::size_t> widths;
  for (std::size_t r = 0; r < shown; ++r)
    for (std::size_t c = 0; c < rows_[r].size(); ++c) {
      if (c == widths.size()) widths.push_back(0);
      widths[c] = std::max(widths[c], width_of(rows_[r][c]));
    }
  std::string out;
  for (std::size_t r = 0; r < shown; ++r) {
    std::string line = "  ";
    for (std::size_t c = 0; c < rows_[r].size(); ++c) {
      const std::string blanks(widths[c] - width_of(rows_[r][c]), ' ');
      line += c == 0 ? rows_[r][c] + blanks : "  " + blanks + rows_[r][c];
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  if (shown < rows_.size()) out += "  … and " + std::to_string(rows_.size() - shown) + " more\n";
  return out;
}

std::string number_text(double number) { return with_digits(number, ""); }

std::string bytes_text(double bytes) {
  constexpr std::array units = {" B", " kB", " MB", " GB", " TB"};
  std::size_t unit = 0;
  for (; bytes >= 999.95 && unit + 1 < units.size(); ++unit) bytes /= 1000;
  return with_digits(bytes, units[unit]);
}

std::string seconds_text(double seconds) {
  if (seconds >= 1) return with_digits(seconds, " s");
  return seconds >= 1e-3 ? with_digits(seconds * 1e3, " ms") : with_digits(seconds * 1e6, " µs");
}

}  // namespace graph_tool
