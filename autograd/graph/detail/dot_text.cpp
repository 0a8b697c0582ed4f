#include <unroll/autograd/detail/utf8.h>
#include <unroll/autograd/graph/detail/dot_text.h>
#include <unroll/autograd/graph/dot.h>

namespace unroll::graph {
namespace {

// Length of the character at the beginning, 0 where it cannot be shown: no UTF-8, a control
// character, one that turns the direction of the text or breaks lines, or none that there is.
std::size_t shown_character(std::string_view text) {
  const auto [code, bytes] = unroll::detail::first_character(text);
  const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0);
  const bool breaks_lines = code == 0x2028 || code == 0x2029;
  const bool directs = (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
  const bool none = (code & 0xfffeU) == 0xfffe || (code >= 0xfdd0 && code <= 0xfdef);
  const bool shown = code < unroll::detail::invalid_byte && !control && !breaks_lines && !directs;
  return shown && !none ? static_cast<std::size_t>(bytes) : 0;
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
