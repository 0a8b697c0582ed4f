#include <unroll/autograd/detail/utf8.h>
#include <unroll/autograd/graph/json.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>

// A node or a value is a line. Read again by json_read.cpp.
namespace unroll::graph {
namespace {

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const auto c = unroll::detail::first_character(text);
    if (c.code >= unroll::detail::invalid_byte) return false;
    text.remove_prefix(static_cast<std::size_t>(c.bytes));
  }
  return true;
}

// Text on its way to a stream, or all of it where there is none.
class Text {
 public:
  explicit Text(std::ostream* out) : out_(out) {}

  void add(std::string_view text) { text_ += text; }
  void add(Index number) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    text_.append(digits, end);
  }
  void add(double number);
  void add_string(std::string_view text);
  void flush(std::size_t at_least = 0) {
    if (out_ == nullptr || text_.size() < at_least) return;
    out_->write(text_.data(), static_cast<std::streamsize>(text_.size()));
    text_.clear();
  }
  std::string take() { return std::move(text_); }

 private:
  std::ostream* out_;
  std::string text_;
};

// The shortest digits that are read as the same number. JSON has no other than finite ones: "nan",
// "inf", "-inf", and a NaN with other bits than the usual one as "nan:" and those.
void Text::add(double number) {
  char digits[40];
  if (std::isfinite(number)) {
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    text_.append(digits, end);
    if (number == 0 && std::signbit(number)) text_ += ".0";  // "-0" would be a whole number
    return;
  }
  if (std::isinf(number)) {
    text_ += number > 0 ? "\"inf\"" : "\"-inf\"";
    return;
  }
  std::uint64_t bits = 0, usual = 0;
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  std::memcpy(&bits, &number, sizeof bits);
  std::memcpy(&usual, &nan, sizeof usual);
  text_ += "\"nan";
  if (bits != usual) {
    text_ += ':';
    const auto end = std::to_chars(digits, digits + sizeof digits, bits, 16).ptr;
    text_.append(digits, end);
  }
  text_ += '"';
}

void Text::add_string(std::string_view text) {
  if (!is_utf8(text)) {
    text_ += "{\"bytes\": [";
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (i > 0) text_ += ", ";
      add(Index{static_cast<unsigned char>(text[i])});
    }
    text_ += "]}";
    return;
  }
  constexpr std::string_view hex = "0123456789abcdef";
  text_ += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      (text_ += '\\') += c;
    else if (c == '\n')
      text_ += "\\n";
    else if (byte < 0x20 || byte == 0x7f)
      ((text_ += "\\u00") += hex[byte >> 4]) += hex[byte & 15];
    else
      text_ += c;
  }
  text_ += '"';
}

// One object until end(); a field at its default is left out.
class Object {
 public:
  explicit Object(Text& to) : to_(to) { to_.add("{"); }
  void end() { to_.add("}"); }

  void text(std::string_view name, std::string_view field) {
    if (field.empty()) return;
    begin(name);
    to_.add_string(field);
  }
  void number(std::string_view name, Index field, Index usual) {
    if (field == usual) return;
    begin(name);
    to_.add(field);
  }
  void number(std::string_view name, const std::optional<double>& field) {
    if (!field) return;
    begin(name);
    to_.add(*field);
  }
  void numbers(std::string_view name, std::span<const Index> field) {
    if (field.empty()) return;
    begin(name);
    to_.add("[");
    for (std::size_t i = 0; i < field.size(); ++i) {
      if (i > 0) to_.add(", ");
      to_.add(field[i]);
    }
    to_.add("]");
  }
  void yes(std::string_view name, bool field) {
    if (!field) return;
    begin(name);
    to_.add("true");
  }
  void begin(std::string_view name) {
    to_.add(first_ ? "\"" : ", \"");
    to_.add(name);
    to_.add("\": ");
    first_ = false;
  }

 private:
  Text& to_;
  bool first_ = true;
};

void add(Text& to, const Node& n) {
  Object o(to);
  o.text("operation", n.operation);
  o.text("path", n.path);
  o.number("step", n.step, -1);
  o.number("layer", n.layer, -1);
  if (n.direction != Direction::none)
    o.text("direction", n.direction == Direction::forward ? "forward" : "backward");
  o.number("order", n.order, 0);
  o.yes("view", n.view);
  o.numbers("inputs", n.inputs);
  o.numbers("outputs", n.outputs);
  o.number("saved_bytes", n.saved_bytes, 0);
  o.number("seconds", n.seconds);
  o.number("backward_seconds", n.backward_seconds);
  o.end();
}

void add(Text& to, const Statistics& s) {
  Object o(to);
  o.number("mean", s.mean);
  o.number("deviation", s.deviation);
  o.number("least", s.least);
  o.number("most", s.most);
  o.number("nan", s.nan, 0);
  o.number("infinite", s.infinite, 0);
  o.number("zeros", s.zeros, 0);
  o.end();
}

void add(Text& to, const Value& v) {
  Object o(to);
  o.text("name", v.name);
  o.yes("parameter", v.parameter);
  o.text("state", v.state);
  o.number("node", v.node, -1);
  o.numbers("shape", v.shape.extents());
  if (v.dtype != f32) o.text("dtype", name_of(v.dtype));
  if (v.statistics) {
    o.begin("statistics");
    add(to, *v.statistics);
  }
  o.number("gradient_norm", v.gradient_norm);
  o.end();
}

template <class Part>
void add_list(Text& to, std::string_view name, const std::vector<Part>& parts) {
  constexpr std::size_t enough = std::size_t{1} << 16;
  to.add(",\n\"");
  to.add(name);
  to.add("\": [");
  for (std::size_t i = 0; i < parts.size(); ++i) {
    to.add(i == 0 ? "\n" : ",\n");
    add(to, parts[i]);
    to.flush(enough);
  }
  to.add(parts.empty() ? "]" : "\n]");
}

void add(Text& to, const Snapshot& s) {
  to.add("{\"format\": \"unroll graph 1\"");
  if (s.loss != -1) {
    to.add(",\n\"loss\": ");
    to.add(s.loss);
  }
  add_list(to, "nodes", s.nodes);
  add_list(to, "values", s.values);
  to.add("}\n");
}

}  // namespace

std::string to_json(const Snapshot& snapshot) {
  Text text(nullptr);
  add(text, snapshot);
  return text.take();
}

void to_json(std::ostream& out, const Snapshot& snapshot) {
  Text text(&out);
  add(text, snapshot);
  text.flush();
}

}  // namespace unroll::graph
