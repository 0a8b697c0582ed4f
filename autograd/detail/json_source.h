#pragma once

#include <unroll/autograd/index.h>

#include <array>
#include <cstddef>
#include <istream>
#include <iterator>
#include <string_view>

namespace unroll::detail {

// A text piece by piece, with the number of the line.
class Source {
 public:
  explicit Source(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}
  explicit Source(std::istream& in) : in_(&in) {}

  bool at_end() { return at_ == end_ && !refill(); }
  char now() const { return *at_; }
  // A line ends before the character that follows its end: a number is known to be over only there.
  void next() {
    line_ += line_ended_ ? 1 : 0;
    line_ended_ = *at_ == '\n';
    ++at_;
  }
  Index line() const { return line_; }

 private:
  bool refill() {
    if (in_ == nullptr) return false;
    in_->read(block_.data(), static_cast<std::streamsize>(block_.size()));
    at_ = block_.data();
    end_ = at_ + in_->gcount();
    return at_ != end_;
  }

  const char* at_ = nullptr;
  const char* end_ = nullptr;
  std::istream* in_ = nullptr;
  std::array<char, std::size_t{1} << 14> block_;
  Index line_ = 1;
  bool line_ended_ = false;
};

// What the parser reads from; all that have a source are equal when it is at its end.
class Characters {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = char;

  Characters() = default;
  explicit Characters(Source& source) : source_(&source) {}

  char operator*() const { return source_->now(); }
  Characters& operator++() {
    source_->next();
    return *this;
  }
  friend bool operator==(const Characters& a, const Characters& b) {
    return a.is_over() == b.is_over();
  }

 private:
  bool is_over() const { return source_ == nullptr || source_->at_end(); }
  Source* source_ = nullptr;
};

}  // namespace unroll::detail
