#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace unroll::detail {

// CRC-32 as in zlib, gzip and PNG (polynomial 0xEDB88320, reflected), so that any other program can
// check a file: zlib.crc32 in Python. Finds every error within 32 bits in a row, so every changed
// byte.
class Crc32 {
 public:
  void add(std::span<const std::byte> bytes);
  std::uint32_t value() const { return ~state_; }

 private:
  std::uint32_t state_ = 0xFFFFFFFFU;
};

}  // namespace unroll::detail
