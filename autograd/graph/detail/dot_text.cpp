#include <unroll/autograd/graph/detail/dot_text.h>
#include <unroll/autograd/graph/dot.h>

namespace unroll::graph {
namespace {

// Length of the UTF-8 character at the beginning, 0 where there is none that can be shown: broken,
// overlong or a surrogate, a control character or one that is none.
std::size_t shown_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
  unsigned code = first & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) return 0;
    code = code << 6U | (byte(i) & 0x3fU);
  }
  constexpr unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  const bool control = code < 0xa0 || code == 0x2028 || code == 0x2029;
  const bool directs = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  const bool none = (code & 0xfffeU) == 0xfffe || (code >= 0xfdd0 && code <= 0xfdef);
  return code < least[length] || code > 0x10ffff || surrogate || control || directs || none
             ? 0
             : length;
}

}  // namespace

std::string printable(std::string_view text, std::size_t most) {
  constexpr std::string_view hex = "0123456789ABCDEF";
  std::string out;
  std::size_t characters = 0;
  std::size_t cut = 0;  // what may stay where the text is too long
  while (!text.empty()) {
    const std::size_t length = shown_character(text);
    const std::size_t width = length > 0 ? 1 : 4;
    if (characters + width > most) {
      out.resize(cut);
      return out + "…";
    }
    if (length > 0) {
      out += text.substr(0, length);
    } else {
      const auto byte = static_cast<unsigned char>(text[0]);
      ((out += "\\x") += hex[byte >> 4U]) += hex[byte & 15U];
    }
    text.remove_prefix(length > 0 ? length : 1);
    characters += width;
    if (characters < most) cut = out.size();  // room for the ellipsis
  }
  return out;
}

namespace detail {

std::string in_quotes(std::string_view printable) {
  std::string out = "\"";
  for (const char c : printable) {
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (c == '&')
      out += "&amp;";
    else if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out + "\"";
}

std::string in_html(std::string_view printable) {
  // Graphviz takes no empty element, nor one of nothing but "]": its XML parser keeps that back.
  if (printable.empty()) return " ";
  std::string out;
  if (printable.front() == ']') {
    out = "&#93;";
    printable.remove_prefix(1);
  }
  for (const char c : printable) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\\':  // "\N" would be the name of the node, here too
        out += "\\\\";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace detail
}  // namespace unroll::graph
