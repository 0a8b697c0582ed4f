#pragma once

#include <unroll/autograd/tensor.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::nn {

// The characters a model knows, numbered from 0. A character is a Unicode code point of valid
// UTF-8, or a single byte that is no part of such: any file can be encoded, and decodes back to the
// same bytes.
class Vocabulary {
 public:
  Vocabulary() = default;
  // Every character of a text, in the order of code points; invalid bytes come last.
  static Vocabulary of(std::string_view text);
  // One character each, numbered as they come. Throws where one is not a single character, or comes
  // twice.
  static Vocabulary from_symbols(const std::vector<std::string>& symbols);
  // What escaped() wrote.
  static Vocabulary from_escaped(std::string_view text);

  Index size() const { return std::ssize(codes_); }
  std::vector<std::string> symbols() const;
  // All symbols in one string of valid UTF-8, for the metadata of a file: a backslash is written
  // \\, an invalid byte \xff.
  std::string escaped() const;

  // Ids in i64 [n], one for each character. Throws for a character that is not in here.
  Tensor encode(std::string_view text) const;
  // The characters of ids (i64, any shape), in row-major order. Throws for an id out of range.
  std::string decode(const Tensor& ids) const;

  friend bool operator==(const Vocabulary& a, const Vocabulary& b) { return a.codes_ == b.codes_; }

 private:
  friend class Text;

  void index();
  Index find(std::uint32_t code) const;  // -1 where there is none
  // Calls put(id) for every character.
  template <class Put>
  void encode_each(std::string_view text, const Put& put) const;

  std::vector<std::uint32_t> codes_;   // of each id
  std::vector<std::uint32_t> sorted_;  // ids in the order of their codes
  std::array<Index, 128> ascii_{};     // id + 1
};

class Windows;
struct TextSplit;

struct WindowOptions {
  Index batch = 0;   // rows: as many equal parts of the text are read side by side
  Index steps = 0;   // characters of a row in one window
  Index stride = 0;  // from one window to the next, 1 … steps; 0: steps
};

// A text as the ids of its characters. Copies share them; an id takes one byte while the vocabulary
// has no more than 256.
class Text {
 public:
  // A file or a pipe, with a vocabulary of its own or a given one. Nothing is cut off or changed: a
  // BOM, CR, NUL and invalid bytes are characters. Throws for what cannot be read or is empty.
  static Text read(const std::string& path);
  static Text read(const std::string& path, const Vocabulary& vocabulary);
  static Text of(std::string_view text);
  static Text of(std::string_view text, const Vocabulary& vocabulary);

  const Vocabulary& vocabulary() const { return *vocabulary_; }
  Index size() const { return end_ - begin_; }  // characters
  Index operator[](Index i) const;              // id of one character
  Tensor ids() const;                           // i64 [size()]
  Tensor encode(std::string_view text) const { return vocabulary_->encode(text); }
  std::string decode(const Tensor& ids) const { return vocabulary_->decode(ids); }

  // The first part, `fraction` of the characters rounded down, and the rest; both have the
  // vocabulary of the whole. Throws unless 0 < fraction < 1.
  TextSplit split(double fraction) const;
  // Throws where the text is too short for one window: batch · steps + 1 characters are needed.
  Windows windows(const WindowOptions& options) const;

 private:
  friend class Windows;
  struct Characters {
    std::vector<std::uint8_t> narrow;
    std::vector<std::uint32_t> wide;
  };

  Text() = default;
  static Text make(std::string_view text, std::shared_ptr<const Vocabulary> vocabulary);
  // Writes ids from, from + 1, …, every `stride` elements.
  void copy_ids(Index from, Index count, Index* to, Index stride) const;

  std::shared_ptr<const Vocabulary> vocabulary_;
  std::shared_ptr<const Characters> characters_;
  Index begin_ = 0;
  Index end_ = 0;
};

struct TextSplit {
  Text train;
  Text valid;
};

struct Window {
  Tensor inputs;   // i64 [steps, batch]
  Tensor targets;  // i64 [steps, batch]: the character after each
};

// A text cut for truncated back-propagation: row b of every window goes on where row b of the
// window before ended (with stride = steps), so a state can be carried. What does not fill a last
// window is left out.
class Windows {
 public:
  Windows(const Text& text, const WindowOptions& options);

  std::optional<Window> next();
  void rewind() { position_ = 0; }
  Index size() const { return count_; }         // windows in all
  Index position() const { return position_; }  // of the next window; size() at the end
  void set_position(Index position);            // for checkpoints; throws unless 0 … size()
  const WindowOptions& options() const { return options_; }

 private:
  Text text_;
  WindowOptions options_;
  Index row_ = 0;  // distance from row to row, in characters
  Index count_ = 0;
  Index position_ = 0;
};

}  // namespace unroll::nn
