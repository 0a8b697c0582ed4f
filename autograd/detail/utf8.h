#pragma once

#include <unroll/autograd/index.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace unroll::detail {

// A byte b that is no part of valid UTF-8 counts as a character of its own, with code invalid_byte
// + b: so any sequence of bytes is a sequence of characters, and back.
inline constexpr std::uint32_t invalid_byte = 0x110000;

struct Character {
  std::uint32_t code = 0;
  Index bytes = 0;
};

// The first character of a text that is not empty. Valid is what the Unicode standard calls so
// (table 3-7): no overlong forms, no surrogates, nothing above U+10FFFF.
Character first_character(std::string_view text);

void append_character(std::uint32_t code, std::string& to);

// For messages: in quotes, with control characters, quotes and invalid bytes escaped, and cut where
// long.
std::string printable(std::string_view text);

}  // namespace unroll::detail
