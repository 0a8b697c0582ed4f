#pragma once

#include <unroll/autograd/shape.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::detail {

// A type of the format; those that a Tensor can hold are F32, F64 and I64.
struct StoredType {
  std::string_view name;
  Index bytes = 0;  // of one element
};

struct StoredTensor {
  std::string name;
  const StoredType* type = nullptr;
  Shape shape = {};
  Index begin = 0;  // in bytes, from the first byte after the header
  Index end = 0;
  Index declared_at = 0;  // byte of the file where its name ends
};

struct StoredHeader {
  std::vector<StoredTensor> tensors;  // in the order of their data
  std::map<std::string, std::string> metadata;
};

inline constexpr Index header_length_bytes = 8;
inline constexpr Index longest_header = 100'000'000;  // what the format allows

// Reads a header from the bytes after its length. Throws unless it is what the format says and its
// tensors fill `data_bytes` without holes or overlap; the message names file, tensor and byte.
StoredHeader parse_header(const std::string& path, std::string_view text, Index data_bytes);

const StoredType* find_stored_type(std::string_view name);  // null where there is none

[[noreturn]] void fail_format(const std::string& path, const std::string& given,
                              const std::string& needed);

}  // namespace unroll::detail
