#pragma once

#include <cstdint>
#include <cstring>
#include <string>

namespace unroll::test {

// The bytes of a header after a length, right or wrong.
inline std::string with_length(const std::string& header, std::uint64_t length) {
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header;
}

// A safetensors file as another program might write it.
inline std::string file_of(const std::string& header, std::size_t data_bytes) {
  return with_length(header, header.size()) + std::string(data_bytes, '\x01');
}

}  // namespace unroll::test
