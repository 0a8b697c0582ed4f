#include <unroll/autograd/detail/file.h>
#include <unroll/autograd/detail/graph_problem.h>
#include <unroll/autograd/detail/json_fields.h>
#include <unroll/autograd/detail/json_source.h>
#include <unroll/autograd/detail/utf8.h>
#include <unroll/autograd/error.h>
#include <unroll/autograd/graph/json.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <string_view>

#include <nlohmann/json.hpp>

// Reads event by event into the snapshot: what is held beside it is one token and a line number for
// each node and value. Nesting has a fixed depth here; the parser keeps a bit for each level.
namespace unroll::graph {
namespace {

using unroll::detail::Characters;
using unroll::detail::Source;
using unroll::detail::json::description;
using unroll::detail::json::Field;
using unroll::detail::json::fields;
using unroll::detail::json::In;

class Reader {
 public:
  Reader(Source& source, std::string file) : source_(source), file_(std::move(file)) {}

  Snapshot read() {
    nlohmann::json::sax_parse(Characters(source_), Characters(), this);
    if (const auto problem = unroll::detail::find_problem(snapshot_)) {
      const Index line = problem->node >= 0 ? node_lines_[static_cast<std::size_t>(problem->node)]
                         : problem->value >= 0
                             ? value_lines_[static_cast<std::size_t>(problem->value)]
                             : loss_line_;
      fail_at(line, problem->given, problem->needed);
    }
    return std::move(snapshot_);
  }

  // What the parser tells.
  bool null() { return unexpected("null"); }
  bool boolean(bool given) {
    if (field_ == nullptr || field_->kind != Field::yes)
      return unexpected(given ? "true" : "false");
    (field_->of == In::node ? node().view : value().parameter) = given;
    return done();
  }
  bool number_integer(std::int64_t given) { return whole(given); }
  bool number_unsigned(std::uint64_t given) {
    if (given <= std::uint64_t{std::numeric_limits<Index>::max()})
      return whole(static_cast<Index>(given));
    return real(static_cast<double>(given));
  }
  bool number_float(double given, const std::string&) { return real(given); }
  bool string(std::string& given);
  bool binary(nlohmann::json::binary_t&) { return unexpected("bytes"); }
  bool start_object(std::size_t);
  bool key(std::string& name);
  bool end_object();
  bool start_array(std::size_t);
  bool end_array();
  bool parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error);

 private:
  Node& node() { return snapshot_.nodes.back(); }
  Value& value() { return snapshot_.values.back(); }
  bool whole(Index given);
  bool real(double given);
  bool done() {
    field_ = nullptr;
    return true;
  }
  std::string* text_field();
  Index* whole_field();
  void set_real(double given);
  void set_shape();
  [[noreturn]] bool unexpected(const std::string& given);
  [[noreturn]] void fail_at(Index line, const std::string& given, const std::string& needed);

  Source& source_;
  std::string file_;
  Snapshot snapshot_;
  In in_ = In::nothing;
  const Field* field_ = nullptr;  // whose value comes next, or is being read
  std::uint64_t seen_ = 0;        // of the root and of the node or the value that is being read
  std::uint64_t seen_in_root_ = 0;
  bool has_format_ = false;
  enum class Bytes { none, named, listed } bytes_state_ = Bytes::none;
  std::string bytes_;
  std::vector<Index> numbers_;
  std::vector<Index> node_lines_, value_lines_;
  Index loss_line_ = 1;
};

void Reader::fail_at(Index line, const std::string& given, const std::string& needed) {
  fail_nowhere("graph", {.given = file_ + "line " + std::to_string(line) + ": " + given,
                         .needed = needed,
                         .hint = {}});
}

bool Reader::unexpected(const std::string& given) {
  std::string subject, needed;
  switch (in_) {
    case In::nothing:
      needed = "an object {\"format\": \"unroll graph 1\", ...}";
      break;
    case In::nodes:
    case In::values:
      needed = "an object for each of them";
      break;
    case In::byte_list:
      needed = "whole numbers from 0 to 255";
      break;
    case In::bytes:
      needed = "{\"bytes\": [...]} and nothing else";
      break;
    default:
      needed = field_ != nullptr ? description(field_->kind) : "";
  }
  if (field_ != nullptr) subject = "\"" + std::string(field_->name) + "\" has ";
  fail_at(source_.line(), subject + given, needed);
}

std::string* Reader::text_field() {
  if (field_->of == In::node) return field_->name == "operation" ? &node().operation : &node().path;
  return field_->name == "name" ? &value().name : &value().state;
}

Index* Reader::whole_field() {
  const std::string_view name = field_->name;
  if (field_->of == In::root) return &snapshot_.loss;
  if (field_->of == In::node)
    return name == "step" ? &node().step : name == "layer" ? &node().layer : &node().saved_bytes;
  if (field_->of == In::value) return &value().node;
  Statistics& s = *value().statistics;
  return name == "nan" ? &s.nan : name == "infinite" ? &s.infinite : &s.zeros;
}

void Reader::set_real(double given) {
  const std::string_view name = field_->name;
  if (field_->of == In::node) {
    (name == "seconds" ? node().seconds : node().backward_seconds) = given;
  } else if (field_->of == In::value) {
    value().gradient_norm = given;
  } else {
    Statistics& s = *value().statistics;
    (name == "mean"        ? s.mean
     : name == "deviation" ? s.deviation
     : name == "least"     ? s.least
                           : s.most) = given;
  }
}

bool Reader::whole(Index given) {
  if (in_ == In::numbers) {
    numbers_.push_back(given);
    return true;
  }
  if (in_ == In::byte_list && given >= 0 && given <= 255) {
    bytes_ += static_cast<char>(static_cast<unsigned char>(given));
    return true;
  }
  const std::string text = std::to_string(given);
  if (field_ == nullptr || in_ == In::byte_list) unexpected(text);
  if (field_->kind == Field::real) {
    set_real(static_cast<double>(given));
  } else if (field_->kind == Field::whole) {
    *whole_field() = given;
    if (field_->of == In::root) loss_line_ = source_.line();
  } else if (field_->kind == Field::order && given >= 0 &&
             given <= std::numeric_limits<int>::max()) {
    node().order = static_cast<int>(given);
  } else {
    unexpected(text);
  }
  return done();
}

bool Reader::real(double given) {
  if (field_ == nullptr || field_->kind != Field::real)
    unexpected("a number that is not whole, or too large");
  set_real(given);
  return done();
}

namespace {

// "nan", "nan:7ff8…", "inf", "-inf".
std::optional<double> not_finite(std::string_view text) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (text == "inf") return infinity;
  if (text == "-inf") return -infinity;
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (!text.starts_with("nan:")) return {};
  std::uint64_t bits = 0;
  const auto [end, error] = std::from_chars(text.data() + 4, text.data() + text.size(), bits, 16);
  double number = 0;
  std::memcpy(&number, &bits, sizeof number);
  if (error != std::errc() || end != text.data() + text.size() || number == number) return {};
  return number;
}

}  // namespace

bool Reader::string(std::string& given) {
  const auto wrong = [&] { unexpected("the text " + unroll::detail::printable(given)); };
  if (field_ == nullptr || in_ == In::numbers || in_ == In::byte_list || in_ == In::bytes) wrong();
  switch (field_->kind) {
    case Field::text:
      *text_field() = std::move(given);
      break;
    case Field::format:
      if (given != "unroll graph 1") wrong();
      has_format_ = true;
      break;
    case Field::dtype:
      if (given != "f32" && given != "f64" && given != "i64") wrong();
      value().dtype = given == "f32" ? f32 : given == "f64" ? f64 : i64;
      break;
    case Field::direction:
      if (given != "forward" && given != "backward") wrong();
      node().direction = given == "forward" ? Direction::forward : Direction::backward;
      break;
    case Field::real:
      if (const auto number = not_finite(given))
        set_real(*number);
      else
        wrong();
      break;
    default:
      wrong();
  }
  return done();
}

bool Reader::start_object(std::size_t) {
  if (in_ == In::nothing) {
    in_ = In::root;
  } else if (in_ == In::nodes) {
    in_ = In::node;
    seen_ = seen_in_root_;
    snapshot_.nodes.emplace_back();
    node_lines_.push_back(source_.line());
  } else if (in_ == In::values) {
    in_ = In::value;
    seen_ = seen_in_root_;
    snapshot_.values.emplace_back();
    value_lines_.push_back(source_.line());
  } else if (field_ != nullptr && field_->kind == Field::part && in_ == In::value) {
    in_ = In::statistics;
    value().statistics.emplace();
  } else if (field_ != nullptr && field_->kind == Field::text && in_ == field_->of) {
    in_ = In::bytes;
    bytes_.clear();
    bytes_state_ = Bytes::none;
  } else {
    unexpected("an object");
  }
  return true;
}

bool Reader::key(std::string& name) {
  if (in_ == In::bytes) {
    if (name != "bytes" || bytes_state_ != Bytes::none)
      unexpected("the key " + unroll::detail::printable(name));
    bytes_state_ = Bytes::named;
    return true;
  }
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [&](const Field& f) { return f.of == in_ && f.name == name; });
  if (found == fields.end()) {
    std::string known;
    for (const Field& f : fields)
      if (f.of == in_) known += (known.empty() ? "" : ", ") + std::string(f.name);
    fail_at(source_.line(), "the key " + unroll::detail::printable(name), "one of " + known);
  }
  const std::uint64_t bit = std::uint64_t{1} << (found - fields.begin());
  if ((seen_ & bit) != 0) fail_at(source_.line(), "a second \"" + name + "\"", "it once");
  seen_ |= bit;
  if (in_ == In::root) seen_in_root_ |= bit;
  field_ = &*found;
  return true;
}

bool Reader::end_object() {
  switch (in_) {
    case In::bytes:
      if (bytes_state_ != Bytes::listed) unexpected("an object without \"bytes\"");
      *text_field() = std::move(bytes_);
      in_ = field_->of;
      return done();
    case In::statistics:
      in_ = In::value;
      return done();
    case In::node:
      in_ = In::nodes;
      return done();
    case In::value:
      in_ = In::values;
      return done();
    default:
      if (!has_format_) fail_at(source_.line(), "no \"format\"", "\"format\": \"unroll graph 1\"");
      in_ = In::nothing;
      return done();
  }
}

bool Reader::start_array(std::size_t) {
  if (in_ == In::bytes && bytes_state_ == Bytes::named) {
    in_ = In::byte_list;
  } else if (field_ != nullptr && field_->kind == Field::parts && in_ == In::root) {
    in_ = field_->name == "nodes" ? In::nodes : In::values;
    field_ = nullptr;
  } else if (field_ != nullptr && field_->kind == Field::list && in_ == field_->of) {
    in_ = In::numbers;
    numbers_.clear();
  } else {
    unexpected("a list");
  }
  return true;
}

bool Reader::end_array() {
  switch (in_) {
    case In::byte_list:
      in_ = In::bytes;
      bytes_state_ = Bytes::listed;
      return true;
    case In::numbers:
      if (field_->name == "shape")
        set_shape();
      else
        (field_->name == "inputs" ? node().inputs : node().outputs) = numbers_;
      in_ = field_->of;
      return done();
    default:
      in_ = In::root;
      return done();
  }
}

void Reader::set_shape() {
  constexpr Index most = std::numeric_limits<Index>::max() / 8;  // bytes of an element
  Index size = 1;
  bool fits = std::ssize(numbers_) <= Shape::max_rank;
  for (const Index extent : numbers_) {
    fits = fits && extent >= 0 && (extent == 0 || size <= most / extent);
    if (fits) size *= extent;
  }
  if (!fits)
    unexpected(std::to_string(numbers_.size()) + " extents, negative or too many or too large");
  value().shape = Shape(numbers_);
}

// "[json…] parse error at line 3, column 5: syntax error while parsing value - invalid number;
// expected digit after '-'; last read: '-x'", with the middle or the end left out at times.
bool Reader::parse_error(std::size_t, const std::string&, const nlohmann::json::exception& error) {
  std::string text = error.what();
  std::string expected = "JSON";
  for (const std::string_view before : {"] ", "syntax error while parsing ", " - "})
    if (const auto at = text.find(before); at != std::string::npos)
      text.erase(0, at + before.size());
  constexpr std::string_view mark = "; expected ";
  if (const auto at = text.find(mark); at != std::string::npos) {
    const auto begin = at + mark.size();
    const auto end = std::min(text.find("; last read: ", begin), text.size());
    expected = text.substr(begin, end - begin);
    text.erase(at, end - at);
  }
  expected = unroll::detail::printable(expected);
  fail_at(source_.line(), "no JSON: " + unroll::detail::printable(text),
          expected.substr(1, expected.size() - 2));
}

}  // namespace

Snapshot from_json(const std::string& text) {
  Source source{std::string_view(text)};
  return Reader(source, {}).read();
}

Snapshot from_json(std::istream& in) {
  Source source(in);
  return Reader(source, {}).read();
}

Snapshot read(const std::string& path) {
  const std::string text = unroll::detail::read_bytes("graph", path);
  Source source{std::string_view(text)};
  return Reader(source, path + ", ").read();
}

}  // namespace unroll::graph
