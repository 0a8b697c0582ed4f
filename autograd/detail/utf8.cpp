#include <unroll/autograd/detail/utf8.h>

namespace unroll::detail {
namespace {

constexpr std::size_t longest_printed = 160;  // bytes

// How many bytes the character takes that begins with `lead`, and between which bounds the second
// one lies.
struct Form {
  Index bytes = 1;
  std::uint32_t low = 0x80;
  std::uint32_t high = 0xBF;
};

Form form_of(std::uint32_t lead) {
  if (lead >= 0xC2 && lead <= 0xDF) return {.bytes = 2};
  if (lead == 0xE0) return {.bytes = 3, .low = 0xA0};
  if (lead == 0xED) return {.bytes = 3, .high = 0x9F};
  if (lead >= 0xE1 && lead <= 0xEF) return {.bytes = 3};
  if (lead == 0xF0) return {.bytes = 4, .low = 0x90};
  if (lead == 0xF4) return {.bytes = 4, .high = 0x8F};
  if (lead >= 0xF1 && lead <= 0xF3) return {.bytes = 4};
  return {};
}

constexpr char hexadecimal[] = "0123456789abcdef";

void append_escape(std::uint32_t byte, std::string& to) {
  to += "\\x";
  to += hexadecimal[byte >> 4];
  to += hexadecimal[byte & 15];
}

}  // namespace

Character first_character(std::string_view text) {
  const auto byte = [&](Index i) -> std::uint32_t {
    return static_cast<unsigned char>(text[static_cast<std::size_t>(i)]);
  };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {.code = lead, .bytes = 1};
  const Character invalid{.code = invalid_byte + lead, .bytes = 1};
  const Form form = form_of(lead);
  if (form.bytes == 1 || std::ssize(text) < form.bytes) return invalid;
  std::uint32_t code = lead & (0x7FU >> form.bytes);
  for (Index i = 1; i < form.bytes; ++i) {
    const std::uint32_t next = byte(i);
    if (next < (i == 1 ? form.low : 0x80) || next > (i == 1 ? form.high : 0xBF)) return invalid;
    code = (code << 6) | (next & 0x3F);
  }
  return {.code = code, .bytes = form.bytes};
}

void append_character(std::uint32_t code, std::string& to) {
  const auto put = [&](std::uint32_t byte) { to += static_cast<char>(byte); };
  const auto put_rest = [&](std::uint32_t shift) { put(0x80 | ((code >> shift) & 0x3F)); };
  if (code >= invalid_byte) {
    put(code - invalid_byte);
  } else if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put_rest(0);
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put_rest(6);
    put_rest(0);
  } else {
    put(0xF0 | (code >> 18));
    put_rest(12);
    put_rest(6);
    put_rest(0);
  }
}

std::string printable(std::string_view text) {
  std::string result = "\"";
  while (!text.empty()) {
    if (result.size() > longest_printed) return result + "…\"";
    const Character c = first_character(text);
    if (c.code >= invalid_byte) {
      append_escape(c.code - invalid_byte, result);
    } else if (c.code < 0x20 || c.code == 0x7F) {
      append_escape(c.code, result);
    } else {
      if (c.code == '"' || c.code == '\\') result += '\\';
      result.append(text, 0, static_cast<std::size_t>(c.bytes));
    }
    text.remove_prefix(static_cast<std::size_t>(c.bytes));
  }
  return result + "\"";
}

}  // namespace unroll::detail
