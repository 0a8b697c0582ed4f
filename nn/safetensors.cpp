#include <unroll/autograd/detail/atomic_file.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/detail/utf8.h>
#include <unroll/nn/detail/crc32.h>
#include <unroll/nn/detail/safetensors_header.h>
#include <unroll/nn/safetensors.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <set>

#include <nlohmann/json.hpp>

namespace unroll::nn {
namespace {

static_assert(std::endian::native == std::endian::little,
              "the format is little-endian, and elements are copied as they are");

using unroll::detail::Crc32;
using unroll::detail::fail_format;
using unroll::detail::header_length_bytes;
using unroll::detail::InputFile;
using unroll::detail::longest_header;
using unroll::detail::printable;
using unroll::detail::StoredTensor;

constexpr const char* checksum_key = "unroll.crc32";
constexpr const char* format_key = "unroll.format";
constexpr std::string_view format_version = "1";
constexpr std::string_view no_checksum = "00000000";
constexpr Index header_alignment = 8;

std::string json_string(std::string_view text, const char* what) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    fail_nowhere("save", {.given = std::string(what) + " " + printable(text),
                          .needed = "valid UTF-8",
                          .hint = "vocabulary.escaped() writes any characters so"});
  }
}

std::string hexadecimal(std::uint32_t value) {
  std::string digits(no_checksum);
  for (std::size_t i = 0; i < digits.size(); ++i)
    digits[i] = "0123456789abcdef"[(value >> (28 - 4 * i)) & 15];
  return digits;
}

// Where the checksum stands in a header. Inside a string of JSON a quote has a backslash before it,
// so what is found is the key.
std::optional<Index> place_of_checksum(std::string_view header) {
  const std::string before = "\"" + std::string(checksum_key) + "\":\"";
  const std::size_t at = header.find(before);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<Index>(at + before.size());
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

std::string length_bytes(std::size_t length) {
  std::string bytes(header_length_bytes, '\0');
  const auto value = static_cast<std::uint64_t>(length);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

void check_checksum(const InputFile& file, std::string header, const Metadata& metadata) {
  const auto stored = metadata.find(checksum_key);
  const auto format = metadata.find(format_key);
  if (stored == metadata.end() && format == metadata.end()) return;  // from elsewhere
  if (stored == metadata.end() || format == metadata.end() || format->second != format_version)
    fail_format(
        file.path(),
        std::string("metadata ") + format_key + " and " + checksum_key + " do not belong together",
        "both or neither, and " + std::string(format_key) + " 1");
  const auto place = place_of_checksum(header);
  if (!place || stored->second.size() != no_checksum.size())
    fail_format(file.path(),
                std::string("metadata ") + checksum_key + " " + printable(stored->second),
                "8 digits, as unroll writes them");
  header.replace(static_cast<std::size_t>(*place), no_checksum.size(), no_checksum);

  Crc32 sum;
  sum.add(bytes_of(length_bytes(header.size())));
  sum.add(bytes_of(header));
  std::vector<std::byte> chunk(static_cast<std::size_t>(std::min(file.size(), Index{1} << 18)));
  for (Index at = header_length_bytes + std::ssize(header); at < file.size();
       at += std::ssize(chunk)) {
    chunk.resize(std::min(chunk.size(), static_cast<std::size_t>(file.size() - at)));
    file.read_at(at, chunk);
    sum.add(chunk);
  }
  if (hexadecimal(sum.value()) != stored->second)
    fail_nowhere(
        "safetensors",
        {.given = printable(file.path()) + ": bytes have checksum " + hexadecimal(sum.value()) +
                  ", metadata says " + printable(stored->second),
         .needed = "the bytes that were written",
         .hint = std::string("the file is damaged; a program that changes it must drop ") +
                 format_key + " and " + checksum_key + " from its metadata"});
}

std::optional<DType> dtype_of_stored(const StoredTensor& t) {
  if (t.type->name == "F32") return f32;
  if (t.type->name == "F64") return f64;
  if (t.type->name == "I64") return i64;
  return std::nullopt;
}

const char* stored_name(DType dtype) { return dtype == f32 ? "F32" : dtype == f64 ? "F64" : "I64"; }

}  // namespace

struct Safetensors::Contents {
  InputFile file;
  Index data_at = 0;
  std::vector<StoredTensor> tensors;
  std::vector<const StoredTensor*> by_name;
  Metadata metadata;

  const StoredTensor* find(std::string_view name) const {
    const auto place = std::ranges::lower_bound(
        by_name, name, {}, [](const StoredTensor* t) { return std::string_view(t->name); });
    return place != by_name.end() && (*place)->name == name ? *place : nullptr;
  }
  const StoredTensor& get(std::string_view name) const {
    const StoredTensor* found = find(name);
    if (found == nullptr)
      fail_nowhere("safetensors",
                   {.given = printable(file.path()) + " has no tensor " + printable(name),
                    .needed = "one of its " + std::to_string(tensors.size()) + " names",
                    .hint = "file.names() lists them"});
    return *found;
  }
  DType dtype(const StoredTensor& t) const {
    const auto dtype = dtype_of_stored(t);
    if (!dtype)
      fail_nowhere("safetensors",
                   {.given = printable(file.path()) + ": tensor " + printable(t.name) +
                             " at byte " + std::to_string(data_at + t.begin) + " is " +
                             std::string(t.type->name) + " " + to_string(t.shape),
                    .needed = "F32, F64 or I64",
                    .hint = "convert it where the file was written"});
    return *dtype;
  }
};

Safetensors Safetensors::open(const std::string& path) {
  InputFile file("safetensors", path);
  if (file.size() < header_length_bytes)
    fail_format(path, "a file of " + std::to_string(file.size()) + " bytes",
                "8 bytes with the length of a header");
  std::uint64_t length = 0;
  file.read_at(0, std::as_writable_bytes(std::span(&length, 1)));
  const Index room = file.size() - header_length_bytes;
  if (length > static_cast<std::uint64_t>(std::min(room, longest_header)))
    fail_format(path,
                "byte 0 says a header of " + std::to_string(length) + " bytes, and " +
                    std::to_string(room) + " follow",
                "at most as many, and " + std::to_string(longest_header));
  std::string header(static_cast<std::size_t>(length), '\0');
  file.read_at(header_length_bytes, std::as_writable_bytes(std::span(header)));

  auto stored = unroll::detail::parse_header(path, header, room - std::ssize(header));
  check_checksum(file, header, stored.metadata);
  stored.metadata.erase(checksum_key);
  stored.metadata.erase(format_key);

  auto contents =
      std::make_shared<Contents>(Contents{.file = std::move(file),
                                          .data_at = header_length_bytes + std::ssize(header),
                                          .tensors = std::move(stored.tensors),
                                          .by_name = {},
                                          .metadata = std::move(stored.metadata)});
  for (const StoredTensor& t : contents->tensors) contents->by_name.push_back(&t);
  std::ranges::sort(contents->by_name, {}, &StoredTensor::name);
  return Safetensors(std::move(contents));
}

Tensor Safetensors::operator[](std::string_view name) const {
  const StoredTensor& t = contents_->get(name);
  Tensor x = unroll::detail::empty(t.shape, contents_->dtype(t));
  contents_->file.read_at(
      contents_->data_at + t.begin,
      {unroll::detail::data<std::byte>(x), static_cast<std::size_t>(t.end - t.begin)});
  return x;
}

Index Safetensors::size() const { return std::ssize(contents_->tensors); }

std::vector<std::string> Safetensors::names() const {
  std::vector<std::string> all;
  for (const StoredTensor& t : contents_->tensors) all.push_back(t.name);
  return all;
}

bool Safetensors::contains(std::string_view name) const { return contents_->find(name) != nullptr; }
Shape Safetensors::shape(std::string_view name) const { return contents_->get(name).shape; }
DType Safetensors::dtype(std::string_view name) const {
  return contents_->dtype(contents_->get(name));
}
const Metadata& Safetensors::metadata() const { return contents_->metadata; }
const std::string& Safetensors::path() const { return contents_->file.path(); }

void save_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                      const Metadata& metadata) {
  std::string header = "{\"__metadata__\":{\"" + std::string(checksum_key) + "\":\"" +
                       std::string(no_checksum) + "\",\"" + format_key + "\":\"" +
                       std::string(format_version) + "\"";
  for (const auto& [key, value] : metadata) {
    if (key == checksum_key || key == format_key)
      fail_nowhere(
          "save",
          {.given = "metadata " + printable(key), .needed = "a key of your own", .hint = {}});
    header += "," + json_string(key, "metadata key") + ":" + json_string(value, "metadata value");
  }
  header += "}";

  // Eight-byte elements first, so that all are aligned for programs that map the file.
  std::vector<const NamedTensor*> ordered;
  std::set<std::string_view> names;
  for (const NamedTensor& t : tensors) {
    const std::string who = "tensor " + printable(t.name);
    if (!t.tensor.defined())
      fail_nowhere("save", {.given = who + " is undefined", .needed = "a tensor", .hint = {}});
    if (t.name == "__metadata__")
      fail_nowhere("save",
                   {.given = who, .needed = "another name; this one is the format's", .hint = {}});
    if (!names.insert(t.name).second)
      fail_nowhere("save",
                   {.given = who + " comes twice", .needed = "every name once", .hint = {}});
    ordered.push_back(&t);
  }
  std::stable_partition(ordered.begin(), ordered.end(),
                        [](const NamedTensor* t) { return element_bytes(t->tensor.dtype()) == 8; });
  std::size_t end = 0;
  for (const NamedTensor* t : ordered) {
    const std::size_t begin = end;
    end += static_cast<std::size_t>(t->tensor.size()) * element_bytes(t->tensor.dtype());
    std::string extents;
    for (const Index extent : t->tensor.shape())
      extents += (extents.empty() ? "" : ",") + std::to_string(extent);
    header += "," + json_string(t->name, "tensor name") + ":{\"dtype\":\"" +
              stored_name(t->tensor.dtype()) + "\",\"shape\":[" + extents + "],\"data_offsets\":[" +
              std::to_string(begin) + "," + std::to_string(end) + "]}";
  }
  header += "}";
  header.resize((header.size() + header_alignment - 1) / header_alignment * header_alignment, ' ');
  if (std::ssize(header) > longest_header)
    fail_nowhere("save", {.given = "a header of " + std::to_string(header.size()) + " bytes",
                          .needed = "at most " + std::to_string(longest_header),
                          .hint = "shorter metadata"});

  unroll::detail::AtomicFile file("save", path);
  Crc32 sum;
  const auto write = [&](std::span<const std::byte> bytes) {
    sum.add(bytes);
    file.write(bytes);
  };
  write(bytes_of(length_bytes(header.size())));
  write(bytes_of(header));
  for (const NamedTensor* t : ordered) {
    const Tensor dense = unroll::detail::dense_copy(t->tensor);
    write({unroll::detail::data<std::byte>(dense),
           static_cast<std::size_t>(dense.size()) * element_bytes(dense.dtype())});
  }
  file.write_at(header_length_bytes + place_of_checksum(header).value(),
                bytes_of(hexadecimal(sum.value())));
  file.commit();
}

}  // namespace unroll::nn
