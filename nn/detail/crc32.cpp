#include <unroll/nn/detail/crc32.h>

#include <array>
#include <cstring>

namespace unroll::detail {
namespace {

using Table = std::array<std::uint32_t, 256>;

// Table k: the remainder of a byte with k bytes after it. Eight let eight bytes be taken at once.
constexpr std::array<Table, 8> make_tables() {
  std::array<Table, 8> tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t r = byte;
    for (int bit = 0; bit < 8; ++bit) r = (r >> 1) ^ ((r & 1) != 0 ? 0xEDB88320U : 0);
    tables[0][byte] = r;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xFF];
    }
  return tables;
}
constexpr std::array<Table, 8> tables = make_tables();

}  // namespace

void Crc32::add(std::span<const std::byte> bytes) {
  std::uint32_t r = state_;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    std::uint64_t x = 0;
    std::memcpy(&x, bytes.data(), 8);
    x ^= r;
    r = 0;
    for (std::size_t k = 0; k < 8; ++k) r ^= tables[7 - k][(x >> (8 * k)) & 0xFF];
  }
  for (const std::byte b : bytes)
    r = (r >> 8) ^ tables[0][(r ^ static_cast<std::uint32_t>(b)) & 0xFF];
  state_ = r;
}

}  // namespace unroll::detail
