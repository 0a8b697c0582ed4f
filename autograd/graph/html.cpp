#include <unroll/autograd/graph/detail/at.h>
#include <unroll/autograd/graph/detail/html.h>
#include <unroll/autograd/graph/detail/legend.h>
#include <unroll/autograd/graph/detail/theme.h>
#include <unroll/autograd/graph/detail/themed_svg.h>
#include <unroll/autograd/graph/dot.h>

#include <algorithm>
#include <map>

#include <nlohmann/json.hpp>

namespace unroll::graph::detail {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t longest_line = 300;
constexpr std::size_t longest_value = 4000;

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else
      out += c;
  }
  return out;
}

const char* word(Change change) {
  switch (change) {
    case Change::added:
      return "added";
    case Change::removed:
      return "removed";
    case Change::changed:
      return "changed";
    default:
      return "";
  }
}

// Names of the frames around a box, outermost first.
ordered_json frames_around(const Picture& picture, Index frame) {
  std::vector<std::string> names;
  for (; frame >= 0; frame = picture.frames[at(frame)].inside) {
    const Frame& f = picture.frames[at(frame)];
    names.push_back(printable(f.badge.empty() ? f.name : f.name + " " + f.badge, longest_line));
  }
  std::reverse(names.begin(), names.end());
  return names;
}

ordered_json details_of(const Box& box) {
  ordered_json details = ordered_json::array();
  const auto add = [&](const std::string& name, const std::string& value) {
    details.push_back({{"name", printable(name, longest_line)}, {"value", value}});
  };
  for (const Box::Detail& d : box.details) add(d.name, printable(d.value, longest_value));
  if (box.change != Change::none) add("change", word(box.change));
  return details;
}

// JSON that may stand in a script element: no "<", nothing that is not ASCII.
std::string data_of(const Picture& picture) {
  ordered_json boxes = ordered_json::array();
  for (const Box& b : picture.boxes) {
    ordered_json lines = ordered_json::array();
    for (const std::string& line : b.lines) lines.push_back(printable(line, longest_line));
    boxes.push_back({{"id", b.id},
                     {"lines", std::move(lines)},
                     {"frames", frames_around(picture, b.frame)},
                     {"details", details_of(b)}});
  }
  ordered_json arrows = ordered_json::array();
  for (const Arrow& a : picture.arrows)
    arrows.push_back({{"from", picture.boxes[at(a.from)].id},
                      {"to", picture.boxes[at(a.to)].id},
                      {"label", printable(a.label, longest_line)}});
  const std::string json =
      ordered_json({{"boxes", std::move(boxes)}, {"arrows", std::move(arrows)}})
          .dump(-1, ' ', true, ordered_json::error_handler_t::replace);
  std::string out;
  for (const char c : json) c == '<' ? out += "\\u003c" : out += c;
  return out;
}

std::string variables(Theme theme) {
  const Palette& p = palette(theme);
  return std::string("color-scheme:") + (theme == Theme::light ? "light" : "dark") +
         ";--background:" + p.background + ";--text:" + p.text + ";--faint:" + p.faint +
         ";--line:" + p.frame + ";--raised:" + p.frame_fill + ";--accent:" + p.loop +
         ";--found:" + (theme == Theme::light ? "#d55e00" : "#ff9d4d") + ";";
}

// In the reader's theme, unless the page says another.
std::string style_of(const ThemedSvg& svg) {
  const std::string light = variables(Theme::light) + svg.light_colours();
  const std::string dark = variables(Theme::dark) + svg.dark_colours();
  return ":root{" + light + "}\n@media (prefers-color-scheme: dark){:root{" + dark +
         "}}\n:root[data-theme=light]{" + light + "}\n:root[data-theme=dark]{" + dark + "}";
}

// From <svg on, for a page that has other things beside it.
std::string inner(const std::string& svg) {
  return svg.substr(std::min(svg.find("<svg"), svg.size()));
}

std::string without_ids(std::string_view svg) {
  std::string out;
  for (std::size_t begin = 0; (begin = svg.find(" id=\"")) != std::string_view::npos;) {
    out += svg.substr(0, begin);
    svg.remove_prefix(svg.find('"', begin + 5) + 1);
  }
  return out += svg;
}

class Drawing {
 public:
  explicit Drawing(Renderer renderer) : renderer_(renderer) {}

  // `dot` makes the DOT of a theme.
  std::string svg(const auto& dot) {
    const std::string light = inner(renderer_(dot(Theme::light), "svg"));
    const std::string dark = inner(renderer_(dot(Theme::dark), "svg"));
    return themed_.merged(light, dark).value_or(light);
  }
  const ThemedSvg& themed() const { return themed_; }

 private:
  Renderer renderer_;
  ThemedSvg themed_;
};

// The same as below other pictures, but always in sight.
std::string legend_dot(const std::string& label) {
  return "digraph legend {\n  graph [bgcolor=transparent, pad=0, margin=0];\n  node "
         "[shape=plaintext, "
         "margin=0, fontname=\"Helvetica,Arial,sans-serif\", fontsize=9];\n  legend [label=<" +
         label + ">];\n}\n";
}

std::string filled(std::string_view page, const std::map<std::string_view, std::string>& parts) {
  std::string out;
  for (std::size_t begin = 0; (begin = page.find("{{")) != std::string_view::npos;) {
    const std::size_t end = page.find("}}", begin);
    out += page.substr(0, begin);
    out += parts.at(page.substr(begin + 2, end - begin - 2));
    page.remove_prefix(end + 2);
  }
  return out += page;
}

}  // namespace

std::string html(const Picture& whole, const DrawOptions& options, Renderer renderer) {
  // The page itself has a title, notes and a legend.
  Picture bare = whole;
  bare.title.clear();
  bare.notes.clear();
  Drawing drawing(renderer);
  const std::string picture = drawing.svg([&](Theme theme) {
    DrawOptions o = options;
    o.theme = theme;
    o.legend = false;
    return to_dot(bare, o);
  });
  std::string legend_picture;
  const auto label = [&](Theme theme) {
    DrawOptions o = options;
    o.theme = theme;
    return legend(bare, o);
  };
  if (!label(Theme::light).empty())
    legend_picture =
        without_ids(drawing.svg([&](Theme theme) { return legend_dot(label(theme)); }));
  std::string notes;
  for (const std::string& note : whole.notes)
    notes += "<li>" + escaped(printable(note, longest_value)) + "</li>";
  const std::string title =
      whole.title.empty() ? "Recorded graph" : escaped(printable(whole.title, longest_line));
  return filled(page_html, {{"theme", options.theme == Theme::dark ? " data-theme=\"dark\"" : ""},
                            {"title", title},
                            {"colours", style_of(drawing.themed())},
                            {"style", std::string(page_css)},
                            {"picture", picture},
                            {"notes", notes},
                            {"legend", legend_picture},
                            {"data", data_of(whole)},
                            {"script", std::string(page_js)}});
}

}  // namespace unroll::graph::detail
