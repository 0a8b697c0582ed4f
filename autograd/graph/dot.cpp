#include <unroll/autograd/graph/detail/at.h>
#include <unroll/autograd/graph/detail/dot_text.h>
#include <unroll/autograd/graph/detail/legend.h>
#include <unroll/autograd/graph/detail/theme.h>
#include <unroll/autograd/graph/dot.h>

#include <algorithm>
#include <tuple>

namespace unroll::graph {
namespace detail {
namespace {

constexpr std::size_t longest_tooltip = 2000;
constexpr const char* font = "Helvetica,Arial,sans-serif";

class Printer {
 public:
  Printer(const Picture& picture, const DrawOptions& options)
      : p_(picture), o_(options), colours_(palette(options.theme)) {}

  std::string text() {
    head();
    const Index outermost = static_cast<Index>(p_.frames.size());
    inner_.resize(p_.frames.size() + 1);
    boxes_.resize(p_.frames.size() + 1);
    for (std::size_t f = 0; f < p_.frames.size(); ++f) {
      const Index around = p_.frames[f].inside;
      inner_[at(around < 0 ? outermost : around)].push_back(static_cast<Index>(f));
    }
    for (std::size_t b = 0; b < p_.boxes.size(); ++b) {
      const Index around = p_.boxes[b].frame;
      boxes_[at(around < 0 ? outermost : around)].push_back(static_cast<Index>(b));
    }
    content(outermost, "  ");
    for (std::size_t a = 0; a < p_.arrows.size(); ++a) arrow(p_.arrows[a], a);
    return std::move(out_) + "}\n";
  }

 private:
  void head() {
    const std::string text = std::string("\"") + colours_.text + "\"";
    out_ =
        "digraph unroll {\n  graph [rankdir=TB, newrank=true, nodesep=0.25, ranksep=0.35, "
        "pad=0.2, bgcolor=\"" +
        std::string(colours_.background) + "\", fontname=\"" + font +
        "\", fontsize=11, fontcolor=" + text + ", labeljust=l, labelloc=b";
    if (const std::string about = legend(p_, o_); !about.empty()) out_ += ", label=<" + about + ">";
    if (!p_.title.empty()) out_ += ", tooltip=" + in_quotes(printable(p_.title, longest_tooltip));
    out_ += "];\n  node [fontname=\"" + std::string(font) +
            "\", fontsize=11, margin=\"0.09,0.04\", height=0.3, width=0.5];\n  edge [fontname=\"" +
            font + "\", fontsize=9, arrowsize=0.6, color=\"" + colours_.arrow + "\", fontcolor=\"" +
            colours_.faint + "\"];\n";
  }

  // Frames are nested no deeper than modules are.
  void content(Index frame, const std::string& indent) {
    for (const Index b : boxes_[at(frame)]) box(p_.boxes[at(b)], indent);
    for (const Index f : inner_[at(frame)]) {
      const Frame& inner = p_.frames[at(f)];
      const char* line = inner.loop ? colours_.loop : colours_.frame;
      out_ += indent + "subgraph \"cluster_" + inner.id + "\" {\n";
      out_ +=
          indent + "  graph [id=\"" + inner.id + "\", label=<" + frame_label(inner) +
          ">, tooltip=" + in_quotes(printable(inner.name + " " + inner.badge, longest_tooltip)) +
          ", labelloc=t, labeljust=" + (inner.loop ? "r" : "l") +
          ", margin=10, style=\"rounded,filled\", color=\"" + line + "\", fillcolor=\"" +
          (inner.loop ? colours_.loop_fill : colours_.frame_fill) + "\"];\n";
      content(f, indent + "  ");
      out_ += indent + "}\n";
    }
  }

  std::string frame_label(const Frame& frame) const {
    std::string text = in_html(printable(frame.name));
    if (frame.badge.empty()) return text.empty() ? " " : text;
    return text + (text.empty() ? "" : "  ") + "<b><font color=\"" +
           (frame.loop ? colours_.loop : colours_.text) + "\">" +
           in_html(printable(frame.badge, 80)) + "</font></b>";
  }

  void box(const Box& b, const std::string& indent) {
    Look l = look(b.kind, o_.theme);
    std::string fill = l.fill, text = l.text, faint = colours_.faint;
    std::string line = l.line;
    const char* width = "1";
    if (p_.scale && b.kind != Box::Kind::ellipsis) {
      fill = colours_.background;
      if (b.amount) {
        const double where = position(*p_.scale, *b.amount);
        fill = colour(where);
        text = faint = is_dark(where) ? "#ffffff" : "#111111";
      }
    }
    if (b.not_finite) {
      line = colours_.bad;
      fill = colours_.bad_fill;
      text = faint = colours_.text;
      width = "2.5";
    }
    if (b.change != Change::none) {
      std::tie(line, fill) = changed(b.change);
      width = "2";
    }
    const bool small = b.view && b.change == Change::none;
    out_ += indent + "\"" + b.id + "\" [id=\"" + b.id + "\", label=<" + box_label(b, small, faint) +
            ">, tooltip=" + in_quotes(tooltip(b)) + ", shape=" + l.shape + ", style=\"" + l.style +
            (b.dead || b.unreached ? ",dashed" : "") + "\", fillcolor=\"" + fill + "\", color=\"" +
            (small ? std::string(colours_.frame) : line) + "\", fontcolor=\"" + text + "\"";
    if (std::string_view(width) != "1") out_ += std::string(", penwidth=") + width;
    if (b.kind == Box::Kind::state) out_ += ", peripheries=2";
    if (l.shape == std::string_view("cylinder")) out_ += ", margin=\"0.09,0.08\"";
    if (small) out_ += ", height=0.2, width=0.3, margin=\"0.06,0.02\"";
    out_ += "];\n";
  }

  std::pair<std::string, std::string> changed(Change change) const {
    switch (change) {
      case Change::added:
        return {colours_.added, colours_.added_fill};
      case Change::removed:
        return {colours_.removed, colours_.removed_fill};
      default:
        return {colours_.changed, colours_.changed_fill};
    }
  }

  std::string box_label(const Box& b, bool small, const std::string& faint) const {
    std::string text;
    const char* mark = b.change == Change::added     ? "+ "
                       : b.change == Change::removed ? "− "
                       : b.change == Change::changed ? "~ "
                       : b.unreached                 ? "∅ "
                       : b.dead                      ? "† "
                                                     : "";
    for (std::size_t i = 0; i < b.lines.size(); ++i) {
      const std::string line = in_html((i == 0 ? mark : "") + printable(b.lines[i]));
      if (i > 0) text += "<br/>";
      if (small)
        text += "<font point-size=\"9\" color=\"" + faint + "\">" + line + "</font>";
      else if (i == 0)
        text += "<b>" + line + "</b>";
      else
        text += "<font point-size=\"9\">" + line + "</font>";
    }
    return text.empty() ? " " : text;
  }

  static std::string tooltip(const Box& b) {
    std::string text;
    for (const Box::Detail& d : b.details) {
      if (text.size() > longest_tooltip) break;
      text += (text.empty() ? "" : "\n") + d.name + ": " + printable(d.value, longest_tooltip);
    }
    if (text.size() <= longest_tooltip) return text;
    // The last detail is cut, at the beginning of a character.
    std::size_t end = longest_tooltip;
    while ((static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
    return text.substr(0, end) + "…";
  }

  void arrow(const Arrow& a, std::size_t number) {
    // Gradients flow up beside the values that flow down: for ranks their arrows are turned round.
    const bool turned =
        a.kind == Arrow::Kind::gradient && p_.boxes[at(a.from)].kind != Box::Kind::loss;
    out_ += "  \"" + p_.boxes[at(turned ? a.to : a.from)].id + "\" -> \"" +
            p_.boxes[at(turned ? a.from : a.to)].id + "\" [id=\"a" + std::to_string(number) + "\"";
    if (turned) out_ += ", dir=back";
    if (!a.label.empty()) out_ += ", label=" + in_quotes(" " + printable(a.label) + " ");
    const char* colour = nullptr;
    const char* style = nullptr;
    switch (a.kind) {
      case Arrow::Kind::plain:
        break;
      case Arrow::Kind::loop:
        colour = colours_.loop;
        break;
      case Arrow::Kind::initial:
        colour = colours_.loop;
        style = "dashed";
        break;
      case Arrow::Kind::gradient:
        colour = colours_.gradient;
        break;
      case Arrow::Kind::saved:
        colour = colours_.saved;
        style = "dashed";
        break;
    }
    std::string changed_colour;
    if (a.change != Change::none) {
      changed_colour = changed(a.change).first;
      colour = changed_colour.c_str();
      if (a.change == Change::removed) style = "dashed";
    }
    if (a.not_finite) colour = colours_.bad;
    if (colour != nullptr) {
      out_ += std::string(", color=\"") + colour + "\"";
      if (a.kind != Arrow::Kind::saved) out_ += std::string(", fontcolor=\"") + colour + "\"";
    }
    if (style != nullptr) out_ += std::string(", style=") + style;
    if (a.delayed) out_ += ", penwidth=1.8";
    if (a.delayed || a.kind == Arrow::Kind::saved) out_ += ", constraint=false";
    if (a.kind == Arrow::Kind::gradient && !turned) out_ += ", minlen=0";
    if (a.not_finite || a.change != Change::none) out_ += ", penwidth=2.2";
    out_ += "];\n";
  }

  const Picture& p_;
  const DrawOptions& o_;
  const Palette& colours_;
  std::string out_;
  std::vector<std::vector<Index>> inner_, boxes_;  // of each frame, and of none at the end
};

}  // namespace
}  // namespace detail

std::string to_dot(const Picture& picture, const DrawOptions& options) {
  return detail::Printer(picture, options).text();
}

std::string to_dot(const Difference& difference, const DrawOptions& options) {
  return to_dot(picture(difference, options), options);
}

std::string to_dot(const Snapshot& snapshot, const DrawOptions& options) {
  return to_dot(picture(snapshot, options), options);
}

}  // namespace unroll::graph
