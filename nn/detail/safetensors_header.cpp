#include <unroll/autograd/detail/utf8.h>
#include <unroll/autograd/error.h>
#include <unroll/nn/detail/safetensors_header.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>

#include <nlohmann/json.hpp>

namespace unroll::detail {
namespace {

using Json = nlohmann::json;

constexpr StoredType stored_types[] = {
    {"F32", 4},     {"F64", 8},     {"I64", 8}, {"BOOL", 1}, {"U8", 1},  {"I8", 1},
    {"F8_E5M2", 1}, {"F8_E4M3", 1}, {"I16", 2}, {"U16", 2},  {"F16", 2}, {"BF16", 2},
    {"I32", 4},     {"U32", 4},     {"U64", 8}, {"C64", 8},
};

std::string at_byte(Index byte) { return " at byte " + std::to_string(byte); }

// Tells how far the parser has read.
class Position {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Position(const char* at, const char** reached) : at_(at), reached_(reached) {}
  reference operator*() const { return *at_; }
  Position& operator++() {
    *reached_ = ++at_;
    return *this;
  }
  Position operator++(int) {
    Position before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Position& other) const { return at_ == other.at_; }

 private:
  const char* at_;
  const char** reached_;
};

// Takes the parser's events, so that nothing is built but what the format has, and a name that
// comes twice, spelled differently even, is seen.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  HeaderReader(const std::string& path, std::string_view text)
      : path_(path), text_(text), reached_(text.data()) {}

  StoredHeader read() {
    const char* const end = text_.data() + text_.size();
    Json::sax_parse(Position(text_.data(), &reached_), Position(end, &reached_), this);
    return std::move(header_);
  }

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("a truth value"); }
  bool number_integer(number_integer_t value) override { unexpected(std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { unexpected(text); }
  bool binary(binary_t&) override { unexpected("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::shape && place_ != Place::offsets) unexpected(std::to_string(value));
    if (value > std::uint64_t{std::numeric_limits<Index>::max()})
      complain(std::to_string(value),
               "at most " + std::to_string(std::numeric_limits<Index>::max()));
    const std::size_t most = place_ == Place::shape ? Shape::max_rank : 2;
    if (numbers_.size() == most)
      complain(
          place_ == Place::shape ? "a shape of more than 8 axes" : "more than two data_offsets",
          "at most " + std::to_string(most));
    numbers_.push_back(static_cast<Index>(value));
    return true;
  }

  bool string(string_t& value) override {
    if (place_ == Place::metadata) {
      header_.metadata[key_] = std::move(value);
    } else if (place_ == Place::tensor && key_ == "dtype") {
      tensor().type = find_stored_type(value);
      if (tensor().type == nullptr)
        complain("dtype " + printable(value), "a dtype of the format, as F32");
    } else {
      unexpected(printable(value));
    }
    return true;
  }

  bool key(string_t& name) override {
    if (place_ == Place::root && name == "__metadata__") {
      if (has_metadata_) complain("__metadata__ twice", "every name once");
      has_metadata_ = true;
    } else if (place_ == Place::root) {
      header_.tensors.push_back({.name = name, .declared_at = position()});
      has_dtype_ = has_shape_ = has_offsets_ = false;
    } else if (place_ == Place::metadata) {
      if (header_.metadata.contains(name))
        complain("metadata " + printable(name) + " twice", "every name once");
    } else {
      bool* const seen = name == "dtype"          ? &has_dtype_
                         : name == "shape"        ? &has_shape_
                         : name == "data_offsets" ? &has_offsets_
                                                  : nullptr;
      if (seen == nullptr) complain("field " + printable(name), "dtype, shape and data_offsets");
      if (*seen) complain("field " + name + " twice", "every field once");
      *seen = true;
    }
    key_ = std::move(name);
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::start)
      place_ = Place::root;
    else if (place_ == Place::root)
      place_ = key_ == "__metadata__" ? Place::metadata : Place::tensor;
    else
      unexpected("an object");
    return true;
  }

  bool end_object() override {
    if (place_ == Place::tensor && !(has_dtype_ && has_shape_ && has_offsets_))
      complain("fields are missing", "dtype, shape and data_offsets");
    place_ = place_ == Place::root ? Place::end : Place::root;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ == Place::tensor && key_ == "shape")
      place_ = Place::shape;
    else if (place_ == Place::tensor && key_ == "data_offsets")
      place_ = Place::offsets;
    else
      unexpected("an array");
    numbers_.clear();
    return true;
  }

  bool end_array() override {
    if (place_ == Place::shape) {
      tensor().shape = Shape(std::span<const Index>(numbers_));
    } else {
      if (numbers_.size() != 2) complain(std::to_string(numbers_.size()) + " data_offsets", "two");
      tensor().begin = numbers_[0];
      tensor().end = numbers_[1];
    }
    place_ = Place::tensor;
    return true;
  }

  bool parse_error(std::size_t, const std::string&,
                   const nlohmann::detail::exception& error) override {
    fail_format(path_, "header" + at_byte(position()) + ": " + printable(error.what()), "JSON");
  }

 private:
  enum class Place { start, root, metadata, tensor, shape, offsets, end };

  StoredTensor& tensor() { return header_.tensors.back(); }
  Index position() const { return header_length_bytes + (reached_ - text_.data()); }

  [[noreturn]] void complain(const std::string& given, const std::string& needed) {
    const bool in_tensor =
        place_ == Place::tensor || place_ == Place::shape || place_ == Place::offsets;
    fail_format(path_,
                (in_tensor ? "tensor " + printable(tensor().name) : "header") +
                    at_byte(position()) + ": " + given,
                needed);
  }
  [[noreturn]] void unexpected(const std::string& what) {
    switch (place_) {
      case Place::start:
      case Place::end:
        complain(what, "an object");
      case Place::root:
        complain(what, "an object for " + printable(key_));
      case Place::metadata:
        complain(what, "a string for metadata " + printable(key_));
      case Place::tensor:
        complain(what, key_ == "dtype" ? "a string for dtype" : "an array for " + key_);
      default:
        complain(what, "a whole number, 0 or more");
    }
  }

  const std::string& path_;
  std::string_view text_;
  const char* reached_;
  StoredHeader header_;
  Place place_ = Place::start;
  std::string key_;
  std::vector<Index> numbers_;
  bool has_metadata_ = false;
  bool has_dtype_ = false;
  bool has_shape_ = false;
  bool has_offsets_ = false;
};

void check_names(const std::string& path, const std::vector<StoredTensor>& tensors) {
  std::vector<const StoredTensor*> by_name;
  by_name.reserve(tensors.size());
  for (const StoredTensor& t : tensors) by_name.push_back(&t);
  std::ranges::stable_sort(by_name, {}, &StoredTensor::name);
  const auto twice = std::ranges::adjacent_find(by_name, {}, &StoredTensor::name);
  if (twice != by_name.end())
    fail_format(path,
                "tensor " + printable((*twice)->name) + at_byte((*twice)->declared_at) +
                    " and again" + at_byte(twice[1]->declared_at),
                "every name once");
}

void check_size(const std::string& path, const StoredTensor& t) {
  Index bytes = t.type->bytes;
  bool fits = true;
  for (const Index extent : t.shape) fits = fits && !__builtin_mul_overflow(bytes, extent, &bytes);
  const std::string who = "tensor " + printable(t.name) + at_byte(t.declared_at) + ": ";
  const std::string what = std::string(t.type->name) + " " + to_string(t.shape);
  if (!fits)
    fail_format(path, who + what + " has more bytes than can be counted",
                "a shape of the data that is there");
  if (t.begin > t.end)
    fail_format(path,
                who + "data_offsets " + std::to_string(t.begin) + " and " + std::to_string(t.end),
                "begin <= end");
  if (t.end - t.begin != bytes)
    fail_format(path,
                who + what + " takes " + std::to_string(bytes) + " bytes, its data_offsets " +
                    std::to_string(t.begin) + " and " + std::to_string(t.end) + " hold " +
                    std::to_string(t.end - t.begin),
                "equal numbers");
}

}  // namespace

void fail_format(const std::string& path, const std::string& given, const std::string& needed) {
  fail_nowhere("safetensors", {.given = printable(path) + ": " + given,
                               .needed = needed,
                               .hint = "the file is damaged, cut short or of another format"});
}

const StoredType* find_stored_type(std::string_view name) {
  const auto* const found = std::ranges::find(stored_types, name, &StoredType::name);
  return found == std::end(stored_types) ? nullptr : found;
}

StoredHeader parse_header(const std::string& path, std::string_view text, Index data_bytes) {
  if (!text.starts_with('{'))
    fail_format(path, "header at byte 8 begins with " + printable(text.substr(0, 1)), "\"{\"");
  // The parser would take a NUL for the end and see nothing of what follows.
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos)
    fail_format(path, "header" + at_byte(header_length_bytes + static_cast<Index>(nul)) + ": a NUL",
                "JSON");
  StoredHeader header = HeaderReader(path, text).read();
  check_names(path, header.tensors);
  for (const StoredTensor& t : header.tensors) check_size(path, t);
  std::ranges::stable_sort(header.tensors, [](const StoredTensor& a, const StoredTensor& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  Index reached = 0;
  for (const StoredTensor& t : header.tensors) {
    if (t.begin != reached)
      fail_format(path,
                  "tensor " + printable(t.name) + at_byte(t.declared_at) + ": data begins at " +
                      std::to_string(t.begin) +
                      (t.begin < reached ? ", inside other data" : ", after a hole") +
                      " that ends at " + std::to_string(reached),
                  "data one after another");
    reached = t.end;
  }
  if (reached != data_bytes)
    fail_format(path,
                "tensors with " + std::to_string(reached) + " bytes of data, in a file with " +
                    std::to_string(data_bytes) + " from byte " +
                    std::to_string(header_length_bytes + std::ssize(text)) + " on",
                "equal numbers");
  return header;
}

}  // namespace unroll::detail
