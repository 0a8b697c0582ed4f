#include <unroll/autograd/graph/detail/boxes.h>
#include <unroll/autograd/graph/detail/dot_text.h>
#include <unroll/autograd/graph/detail/legend.h>
#include <unroll/autograd/graph/detail/theme.h>
#include <unroll/autograd/graph/dot.h>

#include <algorithm>
#include <cmath>

namespace unroll::graph::detail {
namespace {

std::string chip(const char* fill, const char* line, const char* text, const std::string& word) {
  return std::string("<td bgcolor=\"") + fill + "\" color=\"" + line +
         "\" border=\"1\" style=\"rounded\" cellpadding=\"4\"><font color=\"" + text + "\">" +
         in_html(word) + "</font></td>";
}

std::string words(const char* colour, const std::string& text) {
  return std::string("<td align=\"left\" cellpadding=\"4\"><font color=\"") + colour + "\">" +
         in_html(text) + "</font></td>";
}

class Table {
 public:
  Table(const Picture& picture, const DrawOptions& options)
      : p_(picture), o_(options), colours_(palette(options.theme)) {}

  std::string text() {
    title();
    if (o_.legend) {
      boxes();
      arrows();
      marks();
      changes();
      rows(chips_, 6);
      rows(words_, 3);
      if (p_.scale) scale();
    }
    notes();
    if (body_.empty()) return {};
    return "<table border=\"0\" cellborder=\"0\" cellspacing=\"3\" cellpadding=\"0\">" + body_ +
           "</table>";
  }

 private:
  bool has_box(auto test) const { return std::any_of(p_.boxes.begin(), p_.boxes.end(), test); }
  bool has_arrow(Arrow::Kind kind) const {
    return std::any_of(p_.arrows.begin(), p_.arrows.end(),
                       [&](const Arrow& a) { return a.kind == kind; });
  }

  void boxes() {
    using Kind = Box::Kind;
    for (const Kind kind : {Kind::input, Kind::parameter, Kind::operation, Kind::state,
                            Kind::module, Kind::loss, Kind::derivative, Kind::ellipsis})
      if (has_box([&](const Box& b) { return b.kind == kind; })) {
        const Look l = look(kind, o_.theme);
        chips_.push_back(
            chip(p_.scale ? colours_.background : l.fill, l.line, l.text, name_of(kind)));
      }
  }

  void arrows() {
    if (has_arrow(Arrow::Kind::loop))
      words_.push_back(words(colours_.loop, "→ from an earlier step"));
    if (has_arrow(Arrow::Kind::initial))
      words_.push_back(words(colours_.loop, "⇢ before the first step"));
    if (has_arrow(Arrow::Kind::gradient)) words_.push_back(words(colours_.gradient, "→ gradient"));
    if (has_arrow(Arrow::Kind::saved))
      words_.push_back(words(colours_.faint, "⇢ kept for the derivative"));
  }

  void marks() {
    if (has_box([](const Box& b) { return b.not_finite; }))
      chips_.push_back(chip(colours_.bad_fill, colours_.bad, colours_.text, "NaN or Inf"));
    if (has_box([](const Box& b) { return b.dead; }))
      words_.push_back(words(colours_.text, "† dead: its gradient is exactly 0"));
    if (has_box([](const Box& b) { return b.unreached; }))
      words_.push_back(words(colours_.text, "∅ unreached: the loss does not depend on it"));
  }

  void changes() {
    const auto add = [&](Change change, const char* fill, const char* line, const char* word) {
      const bool any = has_box([&](const Box& b) { return b.change == change; }) ||
                       std::any_of(p_.arrows.begin(), p_.arrows.end(),
                                   [&](const Arrow& a) { return a.change == change; });
      if (any) chips_.push_back(chip(fill, line, colours_.text, word));
    };
    add(Change::added, colours_.added_fill, colours_.added, "+ added");
    add(Change::removed, colours_.removed_fill, colours_.removed, "− removed");
    add(Change::changed, colours_.changed_fill, colours_.changed, "~ changed");
  }

  void title() {
    if (!p_.title.empty())
      body_ += "<tr><td align=\"left\" cellpadding=\"4\"><font point-size=\"15\">" +
               in_html(printable(p_.title, 120)) + "</font></td></tr>";
  }

  // A grid: rows that are tables of their own would be stretched differently.
  void rows(const std::vector<std::string>& cells, std::size_t in_a_row) {
    if (cells.empty()) return;
    begin();
    for (std::size_t i = 0; i < cells.size(); ++i)
      body_ += (i > 0 && i % in_a_row == 0 ? "</tr><tr>" : "") + cells[i];
    end();
  }

  void scale() {
    constexpr int steps = 24;
    const Scale& s = *p_.scale;
    begin();
    body_ += words(colours_.text, s.title + (s.logarithmic ? " (logarithmic)" : ""));
    body_ += words(colours_.faint, amount(s.least));
    body_ += "<td><table border=\"0\" cellborder=\"0\" cellspacing=\"0\" cellpadding=\"0\"><tr>";
    for (int i = 0; i < steps; ++i)
      body_ +=
          "<td width=\"7\" height=\"12\" bgcolor=\"" + colour(i / double{steps - 1}) + "\"></td>";
    body_ += "</tr></table></td>";
    body_ += words(colours_.faint, amount(s.most));
    end();
  }

  std::string amount(double value) const {
    return p_.scale->title == "bytes" ? bytes_text(static_cast<Index>(value)) : short_number(value);
  }

  void notes() {
    constexpr std::size_t most = 8;
    constexpr std::size_t longest = 240;
    for (std::size_t i = 0; i < std::min(most, p_.notes.size()); ++i) {
      const bool last = i + 1 == most && p_.notes.size() > most;
      const std::string note =
          last ? "and " + std::to_string(p_.notes.size() - i) + " more notes" : p_.notes[i];
      for (const std::string& part : broken(printable(note, longest))) line(part);
    }
  }
  // Broken into lines at spaces.
  static std::vector<std::string> broken(std::string text) {
    constexpr std::size_t width = 84;
    std::vector<std::string> lines;
    while (text.size() > width) {
      const std::size_t space = text.rfind(' ', width);
      if (space == std::string::npos || space < width / 2) break;
      lines.push_back(text.substr(0, space));
      text.erase(0, space + 1);
    }
    lines.push_back(std::move(text));
    return lines;
  }
  void line(const std::string& text) {
    body_ += "<tr><td align=\"left\" cellpadding=\"1\"><font color=\"" +
             std::string(colours_.faint) + "\">" + in_html(text) + "</font></td></tr>";
  }

  void begin() {
    body_ +=
        "<tr><td align=\"left\"><table border=\"0\" cellborder=\"0\" cellspacing=\"3\" "
        "cellpadding=\"0\"><tr>";
  }
  void end() { body_ += "</tr></table></td></tr>"; }

  const Picture& p_;
  const DrawOptions& o_;
  const Palette& colours_;
  std::vector<std::string> chips_, words_;
  std::string body_;
};

}  // namespace

std::string legend(const Picture& picture, const DrawOptions& options) {
  return Table(picture, options).text();
}

}  // namespace unroll::graph::detail
