#include <unroll/autograd/create.h>
#include <unroll/autograd/detail/file.h>
#include <unroll/autograd/detail/strided.h>
#include <unroll/autograd/detail/utf8.h>
#include <unroll/nn/text.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace unroll::nn {
namespace {

using unroll::detail::first_character;
using unroll::detail::invalid_byte;
using unroll::detail::printable;

// Calls f(code, offset in bytes) for every character.
template <class F>
void for_each_character(std::string_view text, const F& f) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (const auto byte = static_cast<unsigned char>(text[at]);
        byte < 0x80) {  // most of most texts
      f(byte, at++);
      continue;
    }
    const auto c = first_character(text.substr(at));
    f(c.code, at);
    at += static_cast<std::size_t>(c.bytes);
  }
}

std::string symbol(std::uint32_t code) {
  std::string text;
  unroll::detail::append_character(code, text);
  return text;
}

[[noreturn]] void fail_text(const std::string& given, const std::string& needed,
                            const std::string& hint = {}) {
  fail_nowhere("text", {.given = given, .needed = needed, .hint = hint});
}

[[noreturn]] void fail_vocabulary(const std::string& given, const std::string& needed) {
  fail_nowhere("vocabulary", {.given = given, .needed = needed, .hint = {}});
}

Index hexadecimal_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

void Vocabulary::index() {
  sorted_.resize(codes_.size());
  std::iota(sorted_.begin(), sorted_.end(), 0U);
  const auto code_of = [&](std::uint32_t id) { return codes_[id]; };
  std::ranges::stable_sort(sorted_, {}, code_of);
  const auto twice = std::ranges::adjacent_find(sorted_, {}, code_of);
  if (twice != sorted_.end())
    fail_vocabulary("symbol " + printable(symbol(codes_[*twice])) + " has the numbers " +
                        std::to_string(twice[0]) + " and " + std::to_string(twice[1]),
                    "every symbol once");
  for (std::size_t id = 0; id < codes_.size(); ++id)
    if (codes_[id] < ascii_.size()) ascii_[codes_[id]] = static_cast<Index>(id) + 1;
}

Index Vocabulary::find(std::uint32_t code) const {
  if (code < ascii_.size()) return ascii_[code] - 1;
  const auto place =
      std::lower_bound(sorted_.begin(), sorted_.end(), code,
                       [&](std::uint32_t id, std::uint32_t wanted) { return codes_[id] < wanted; });
  return place != sorted_.end() && codes_[*place] == code ? static_cast<Index>(*place) : -1;
}

Vocabulary Vocabulary::of(std::string_view text) {
  std::vector<bool> present;  // up to the largest code of valid characters
  std::array<bool, 256> invalid{};
  for_each_character(text, [&](std::uint32_t code, std::size_t) {
    if (code >= invalid_byte) {
      invalid[code - invalid_byte] = true;
    } else {
      if (code >= present.size()) present.resize(code + 1);
      present[code] = true;
    }
  });
  Vocabulary v;
  for (std::uint32_t code = 0; code < present.size(); ++code)
    if (present[code]) v.codes_.push_back(code);
  for (std::uint32_t byte = 0; byte < invalid.size(); ++byte)
    if (invalid[byte]) v.codes_.push_back(invalid_byte + byte);
  v.index();
  return v;
}

Vocabulary Vocabulary::from_symbols(const std::vector<std::string>& symbols) {
  Vocabulary v;
  for (const std::string& s : symbols) {
    const auto c = s.empty() ? unroll::detail::Character{} : first_character(s);
    if (s.empty() || c.bytes != std::ssize(s))
      fail_vocabulary("symbol " + std::to_string(v.size()) + " is " + printable(s),
                      "one character");
    v.codes_.push_back(c.code);
  }
  v.index();
  return v;
}

Vocabulary Vocabulary::from_escaped(std::string_view text) {
  Vocabulary v;
  for (std::size_t at = 0; at < text.size();) {
    const auto c = first_character(text.substr(at));
    std::uint32_t code = c.code;
    std::size_t bytes = static_cast<std::size_t>(c.bytes);
    if (code == '\\') {
      const std::string_view rest = text.substr(at, 4);
      const Index high = rest.size() == 4 ? hexadecimal_value(rest[2]) : -1;
      const Index low = rest.size() == 4 ? hexadecimal_value(rest[3]) : -1;
      bytes = rest.starts_with("\\\\") ? 2 : 4;
      if (bytes == 4) {
        if (!rest.starts_with("\\x") || high < 8 || low < 0)
          fail_vocabulary("escape " + printable(rest) + " at byte " + std::to_string(at),
                          "\\\\ or \\x80 … \\xff");
        code = invalid_byte + static_cast<std::uint32_t>(16 * high + low);
      }
    }
    v.codes_.push_back(code);
    at += bytes;
  }
  v.index();
  return v;
}

std::vector<std::string> Vocabulary::symbols() const {
  std::vector<std::string> all;
  for (const std::uint32_t code : codes_) all.push_back(symbol(code));
  return all;
}

std::string Vocabulary::escaped() const {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint32_t code : codes_) {
    if (code == '\\') {
      text += "\\\\";
    } else if (code >= invalid_byte) {
      text += "\\x";
      text += digits[(code - invalid_byte) >> 4];
      text += digits[(code - invalid_byte) & 15];
    } else {
      unroll::detail::append_character(code, text);
    }
  }
  return text;
}

template <class Put>
void Vocabulary::encode_each(std::string_view text, const Put& put) const {
  for_each_character(text, [&](std::uint32_t code, std::size_t at) {
    const Index id = find(code);
    if (id < 0)
      fail_nowhere("encode", {.given = "character " + printable(symbol(code)) + " at byte " +
                                       std::to_string(at) + " is not among the " +
                                       std::to_string(size()) + " of this vocabulary",
                              .needed = "characters of the text that it was made from",
                              .hint = "nn::Vocabulary::of(text) makes one that has them all"});
    put(id);
  });
}

Tensor Vocabulary::encode(std::string_view text) const {
  std::vector<Index> ids;
  ids.reserve(text.size());
  encode_each(text, [&](Index id) { ids.push_back(id); });
  return from(ids, {std::ssize(ids)});
}

std::string Vocabulary::decode(const Tensor& ids) const {
  unroll::detail::require_defined("decode", "ids", ids);
  if (ids.dtype() != i64)
    fail_nowhere("decode", {.given = "ids " + describe(ids),
                            .needed = "i64",
                            .hint = "sample(logits, rng) or argmax(logits, -1) gives ids"});
  const Tensor dense = unroll::detail::dense_copy(ids);
  std::string text;
  for (const Index id : dense.span<Index>()) {
    if (id < 0 || id >= size())
      fail_nowhere("decode",
                   {.given = "id " + std::to_string(id),
                    .needed = "0 … " + std::to_string(size() - 1) + ", the ids of this vocabulary",
                    .hint = "is the vocabulary of the text that of the model?"});
    unroll::detail::append_character(codes_[static_cast<std::size_t>(id)], text);
  }
  return text;
}

Text Text::make(std::string_view text, std::shared_ptr<const Vocabulary> vocabulary) {
  auto characters = std::make_shared<Characters>();
  if (vocabulary->size() <= 256) {
    characters->narrow.reserve(text.size());
    vocabulary->encode_each(
        text, [&](Index id) { characters->narrow.push_back(static_cast<std::uint8_t>(id)); });
  } else {
    vocabulary->encode_each(
        text, [&](Index id) { characters->wide.push_back(static_cast<std::uint32_t>(id)); });
  }
  Text result;
  result.end_ = std::ssize(characters->narrow) + std::ssize(characters->wide);
  result.vocabulary_ = std::move(vocabulary);
  result.characters_ = std::move(characters);
  return result;
}

Text Text::of(std::string_view text) {
  if (text.empty()) fail_text("an empty text", "at least one character");
  return make(text, std::make_shared<Vocabulary>(Vocabulary::of(text)));
}

Text Text::of(std::string_view text, const Vocabulary& vocabulary) {
  if (text.empty()) fail_text("an empty text", "at least one character");
  return make(text, std::make_shared<Vocabulary>(vocabulary));
}

Text Text::read(const std::string& path) {
  const std::string bytes = unroll::detail::read_bytes("text", path);
  if (bytes.empty()) fail_text(printable(path) + " is empty", "at least one character");
  return of(bytes);
}

Text Text::read(const std::string& path, const Vocabulary& vocabulary) {
  const std::string bytes = unroll::detail::read_bytes("text", path);
  if (bytes.empty()) fail_text(printable(path) + " is empty", "at least one character");
  return of(bytes, vocabulary);
}

void Text::copy_ids(Index from, Index count, Index* to, Index stride) const {
  const auto copy = [&](const auto& source) {
    const auto* x = source.data() + begin_ + from;
    for (Index i = 0; i < count; ++i) to[i * stride] = static_cast<Index>(x[i]);
  };
  if (characters_->wide.empty())
    copy(characters_->narrow);
  else
    copy(characters_->wide);
}

Index Text::operator[](Index i) const {
  if (i < 0 || i >= size())
    fail_text("character " + std::to_string(i), "0 … " + std::to_string(size() - 1));
  Index id = 0;
  copy_ids(i, 1, &id, 1);
  return id;
}

Tensor Text::ids() const {
  Tensor all = unroll::detail::empty({size()}, i64);
  copy_ids(0, size(), unroll::detail::data<Index>(all), 1);
  return all;
}

TextSplit Text::split(double fraction) const {
  if (!(fraction > 0 && fraction < 1))
    fail_text("split(" + std::to_string(fraction) + ")", "a fraction between 0 and 1",
              "text.split(0.9)");
  TextSplit parts{.train = *this, .valid = *this};
  const auto cut = begin_ + static_cast<Index>(std::floor(fraction * static_cast<double>(size())));
  parts.train.end_ = cut;
  parts.valid.begin_ = cut;
  return parts;
}

Windows Text::windows(const WindowOptions& options) const { return Windows(*this, options); }

Windows::Windows(const Text& text, const WindowOptions& options) : text_(text), options_(options) {
  const auto complain = [](const std::string& given, const std::string& needed) {
    fail_nowhere(
        "windows",
        {.given = given, .needed = needed, .hint = "text.windows({.batch = 32, .steps = 64})"});
  };
  const auto [batch, steps, stride] = options;
  if (batch <= 0) complain("batch is " + std::to_string(batch), "batch > 0");
  if (steps <= 0) complain("steps is " + std::to_string(steps), "steps > 0");
  if (stride < 0 || stride > steps)
    complain("stride is " + std::to_string(stride) + " with steps " + std::to_string(steps),
             "1 … steps, or 0 for steps");
  if (stride == 0) options_.stride = steps;

  Index wanted = 0;
  const bool too_many =
      __builtin_mul_overflow(batch, steps, &wanted) || __builtin_add_overflow(wanted, 1, &wanted);
  if (too_many || text.size() < wanted) {
    const Index longest = (text.size() - 1) / batch;
    std::string hint = "longer text, or a smaller .batch";
    if (longest > 0) hint += " or .steps, which could be " + std::to_string(longest) + " here";
    fail_nowhere(
        "windows",
        {.given = "a text of " + std::to_string(text.size()) + " characters for batch " +
                  std::to_string(batch) + " and steps " + std::to_string(steps),
         .needed = too_many ? "smaller numbers"
                            : "batch · steps + 1 = " + std::to_string(wanted) + " characters",
         .hint = hint});
  }
  row_ = (text.size() - 1) / batch;
  count_ = (row_ - steps) / options_.stride + 1;
}

std::optional<Window> Windows::next() {
  if (position_ == count_) return std::nullopt;
  const Index batch = options_.batch;
  Window window{.inputs = unroll::detail::empty({options_.steps, batch}, i64),
                .targets = unroll::detail::empty({options_.steps, batch}, i64)};
  for (Index b = 0; b < batch; ++b) {
    const Index from = b * row_ + position_ * options_.stride;
    text_.copy_ids(from, options_.steps, unroll::detail::data<Index>(window.inputs) + b, batch);
    text_.copy_ids(from + 1, options_.steps, unroll::detail::data<Index>(window.targets) + b,
                   batch);
  }
  ++position_;
  return window;
}

void Windows::set_position(Index position) {
  if (position < 0 || position > count_)
    fail_nowhere("windows", {.given = "position " + std::to_string(position),
                             .needed = "0 … " + std::to_string(count_),
                             .hint = "is it the same text, batch and steps?"});
  position_ = position;
}

}  // namespace unroll::nn
