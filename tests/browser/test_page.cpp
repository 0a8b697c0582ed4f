// The pages that graphs are written as, in a browser: real events, and what came of them.
#include <unroll/autograd/graph/detail/html.h>

#include <algorithm>
#include <string>

#include <boost/test/unit_test.hpp>

#include "browser.h"
#include "support/temporary_folder.h"

namespace unroll::test {
namespace {

using nlohmann::json;

// Two layers in both directions over 20 steps, and what they are read out by.
graph::Snapshot record() {
  const nn::LSTM lstm({.input = 3, .hidden = 4, .layers = 2, .bidirectional = true});
  const nn::Linear head({.input = 8, .output = 2});
  Tape tape;
  const Tensor x = tape.watch(ones({20, 2, 3}));
  tape.name(x, "features");
  const Tensor loss = sum(head(lstm(x).outputs));
  tape.name(loss, "loss");
  static_cast<void>(tape.backward(loss));
  return tape.snapshot();
}

struct Page {
  explicit Page(const graph::Snapshot& snapshot, const graph::DrawOptions& options = {})
      : picture(graph::picture(snapshot, options)) {
    const TemporaryFolder folder;
    graph::write(folder / "graph.html", snapshot, options);
    text = read_file(folder / "graph.html");
  }
  // Complaints and loads make a test fail.
  json visit(const std::string& script, const Visit& how = {}) const {
    const json all = test::visit(text, script, how);
    BOOST_TEST(all.at("errors") == json::array());
    BOOST_TEST(all.at("loaded") == json::array());
    return all.at("result");
  }
  graph::Picture picture;
  std::string text;
};

const Page& page() {
  static const Page one(record(), {.title = "A <small> model"});
  return one;
}

// The first box of whose lines one is `line`.
const graph::Box& box_of(const graph::Picture& picture, const std::string& line) {
  for (const graph::Box& b : picture.boxes)
    if (std::find(b.lines.begin(), b.lines.end(), line) != b.lines.end()) return b;
  throw std::runtime_error("no box says " + line);
}

// How many boxes say `word`, themselves or their frames, in small letters.
Index boxes_with(const graph::Picture& picture, const std::string& word) {
  return std::count_if(picture.boxes.begin(), picture.boxes.end(), [&](const graph::Box& b) {
    std::string text = b.id;
    for (const std::string& line : b.lines) text += "\n" + line;
    for (const graph::Box::Detail& d : b.details) text += "\n" + d.name + "\n" + d.value;
    for (Index f = b.frame; f >= 0; f = picture.frames[static_cast<std::size_t>(f)].inside) {
      const graph::Frame& frame = picture.frames[static_cast<std::size_t>(f)];
      text += "\n" + frame.name + " " + frame.badge;
    }
    std::transform(text.begin(), text.end(), text.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    return text.find(word) != std::string::npos;
  });
}

constexpr double pixel = 0.5;

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_page)

BOOST_AUTO_TEST_CASE(shows_every_box_the_legend_and_what_is_hidden) {
  const json r = page().visit(R"js(
    const inside = (element) => {
      const r = element.getBoundingClientRect();
      return r.width > 10 && r.height > 5 && r.top >= 0 && r.left >= 0 && r.bottom <= innerHeight && r.right <= innerWidth;
    };
    return { nodes: [...view.querySelectorAll("g.node")].map((n) => n.dataset.id),
             edges: view.querySelectorAll("g.edge").length,
             names: [...view.querySelectorAll("g.node")].filter((n) => n.getAttribute("aria-label")).length,
             title: document.title, heading: document.querySelector("h1").textContent,
             notes: [...document.querySelectorAll("#notes li")].map((n) => n.textContent),
             seen: [$("notes"), $("legend"), $("search"), $("fit"), view.querySelector("svg > g")].map(inside),
             legend: $("legend").textContent, panel: $("panel").hidden };)js");
  json ids = json::array();
  for (const graph::Box& b : page().picture.boxes) ids.push_back(b.id);
  json drawn = r.at("nodes");
  std::sort(ids.begin(), ids.end());
  std::sort(drawn.begin(), drawn.end());
  BOOST_TEST(drawn == ids);
  BOOST_TEST(r.at("names") == ids.size());
  BOOST_TEST(r.at("edges") == page().picture.arrows.size());
  BOOST_TEST(r.at("title") == "A <small> model");
  BOOST_TEST(r.at("heading") == "A <small> model");
  BOOST_TEST(r.at("notes") == json(page().picture.notes));
  BOOST_TEST(page().picture.notes.size() >= 1U);
  BOOST_TEST(r.at("seen") == json({true, true, true, true, true}));
  BOOST_TEST(r.at("legend").get<std::string>().find("parameter") != std::string::npos);
  BOOST_TEST(r.at("panel") == true);
}

BOOST_AUTO_TEST_CASE(a_click_shows_details) {
  const graph::Box& box = box_of(page().picture, "pointwise");
  const graph::Box& other = box_of(page().picture, "features");
  const json r = page().visit("const box = '" + box.id + "', other = '" + other.id + "';" + R"js(
    click(node(box));
    const first = { hidden: $("panel").hidden, title: $("panel").querySelector("h2").textContent,
                    details: details(), hash: location.hash, selected: node(box).classList.contains("selected") };
    const neighbours = $("panel").querySelectorAll("li button").length;
    const near = view.querySelectorAll("g.edge.near").length;
    click(node(other));
    const second = { title: $("panel").querySelector("h2").textContent, hash: location.hash,
                     left: node(box).classList.contains("selected") };
    click($("panel").querySelector("li button"));  // the box that it leads to
    const third = location.hash;
    click($("panel").querySelector(".close"));
    return { first, neighbours, near, second, third, closed: $("panel").hidden, hash: location.hash };)js");
  BOOST_TEST(r.at("first").at("hidden") == false);
  BOOST_TEST(r.at("first").at("title") == box.lines[0]);
  BOOST_TEST(r.at("first").at("hash") == "#" + box.id);
  BOOST_TEST(r.at("first").at("selected") == true);
  const json& told = r.at("first").at("details");
  BOOST_TEST(box.details.size() >= 2U);
  for (const graph::Box::Detail& d : box.details) BOOST_TEST(told.value(d.name, "") == d.value);
  BOOST_TEST(told.at("id") == "#" + box.id);
  std::size_t touching = 0;
  std::size_t ends = 0;
  for (const graph::Arrow& a : page().picture.arrows) {
    const bool from = page().picture.boxes[static_cast<std::size_t>(a.from)].id == box.id;
    const bool to = page().picture.boxes[static_cast<std::size_t>(a.to)].id == box.id;
    touching += from || to ? 1 : 0;
    ends += (from ? 1U : 0U) + (to ? 1U : 0U);
  }
  BOOST_TEST(r.at("near") == touching);
  BOOST_TEST(r.at("neighbours") == ends);
  BOOST_TEST(r.at("second").at("title") == "features");
  BOOST_TEST(r.at("second").at("hash") == "#" + other.id);
  BOOST_TEST(r.at("second").at("left") == false);
  BOOST_TEST(r.at("third") != "#" + other.id);
  BOOST_TEST(r.at("closed") == true);
  BOOST_TEST(r.at("hash") == "");
}

BOOST_AUTO_TEST_CASE(the_wheel_zooms_where_it_points) {
  const json r = page().visit(R"js(
    const wheel = (deltaY, more = {}) => view.dispatchEvent(new WheelEvent("wheel",
      { deltaY, clientX: 400, clientY: 300, bubbles: true, cancelable: true, ...more }));
    const under = () => { // the picture's point under the cursor
      const { x, y, scale } = place();
      const area = view.getBoundingClientRect();
      return [(400 - area.left - x) / scale, (300 - area.top - y) / scale];
    };
    const steps = [{ scale: place().scale, under: under() }];
    const stopped = !wheel(-200);
    steps.push({ scale: place().scale, under: under() });
    wheel(500); steps.push({ scale: place().scale, under: under() });
    wheel(-30, { ctrlKey: true }); steps.push({ scale: place().scale, under: under() });
    for (let i = 0; i < 100; ++i) wheel(-5000);
    const most = place().scale;
    for (let i = 0; i < 100; ++i) wheel(5000);
    return { steps, stopped, most, least: place().scale };)js");
  const json& s = r.at("steps");
  BOOST_TEST(r.at("stopped") == true);  // the page itself does not scroll
  BOOST_TEST(s[1].at("scale").get<double>() > 1.2 * s[0].at("scale").get<double>());
  BOOST_TEST(s[2].at("scale").get<double>() < s[1].at("scale").get<double>() / 1.5);
  BOOST_TEST(s[3].at("scale").get<double>() > 1.2 * s[2].at("scale").get<double>());
  for (const json& step : s)
    for (std::size_t axis = 0; axis < 2; ++axis)
      BOOST_TEST(step.at("under")[axis].get<double>() == s[0].at("under")[axis].get<double>(),
                 boost::test_tools::tolerance(1e-6));
  BOOST_TEST(r.at("most").get<double>() <= 20.001);
  BOOST_TEST(r.at("least").get<double>() >= 0.0099);
}

BOOST_AUTO_TEST_CASE(buttons_and_keys_zoom_and_move) {
  const json r = page().visit(R"js(
    const start = place(), out = {};
    const after = (name, act) => { act(); out[name] = place(); };
    after("larger", () => click($("larger")));
    after("smaller", () => click($("smaller")));
    after("plus", () => key(view, "+"));
    after("minus", () => { key(view, "-"); key(view, "-"); });
    after("right", () => key(view, "ArrowRight"));
    after("down", () => key(view, "ArrowDown"));
    after("fit", () => click($("fit")));
    key(view, "+");
    after("zero", () => key(document.body, "0"));
    type("0"); key($("search"), "+");
    after("typing", () => {});
    after("control", () => key(view, "+", { ctrlKey: true }));
    key(view, "/");
    return { start, ...out, focus: document.activeElement.id };)js");
  const auto scale = [&](const char* when) { return r.at(when).at("scale").get<double>(); };
  const auto x = [&](const char* when) { return r.at(when).at("x").get<double>(); };
  const auto y = [&](const char* when) { return r.at(when).at("y").get<double>(); };
  const auto near = boost::test_tools::tolerance(1e-9);
  BOOST_TEST(scale("larger") == 1.3 * scale("start"), near);
  BOOST_TEST(scale("smaller") == scale("start"), near);
  BOOST_TEST(scale("plus") == 1.3 * scale("start"), near);
  BOOST_TEST(scale("minus") == scale("start") / 1.3, near);
  BOOST_TEST(x("right") == x("minus") - 60, near);
  BOOST_TEST(y("down") == y("right") - 60, near);
  for (const char* when : {"fit", "zero", "typing", "control"})
    BOOST_TEST(r.at(when) == r.at("start"));
  BOOST_TEST(r.at("focus") == "search");
}

BOOST_AUTO_TEST_CASE(dragging_moves_and_two_fingers_zoom) {
  const graph::Box& box = box_of(page().picture, "features");
  const json r = page().visit("const box = node('" + box.id + "');" + R"js(
    const start = place();
    const at = middle(box);
    const under = document.elementFromPoint(at.x, at.y);
    pointer("pointerdown", under, at.x, at.y);
    for (let i = 1; i <= 10; ++i) pointer("pointermove", view, at.x + 7 * i, at.y + 3 * i);
    const during = view.classList.contains("dragging");
    pointer("pointerup", view, at.x + 70, at.y + 30);
    const end = middle(box);
    under.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
    const dragged = place(), opened = !$("panel").hidden, after = view.classList.contains("dragging");
    pointer("pointermove", view, 0, 0);
    const released = place();
    const fingers = [{ x: 500, y: 300 }, { x: 600, y: 300 }];
    fingers.forEach((f, i) => pointer("pointerdown", view, f.x, f.y, i + 1));
    const area = view.getBoundingClientRect();
    const held = () => [(550 - area.left - place().x) / place().scale, (300 - area.top - place().y) / place().scale];
    const before = held(), scale = place().scale;
    for (let i = 1; i <= 10; ++i) {
      pointer("pointermove", view, 500 - 5 * i, 300, 1);
      pointer("pointermove", view, 600 + 5 * i, 300, 2);
    }
    return { start, dragged, moved: { x: end.x - at.x, y: end.y - at.y }, during, opened, after, released,
             factor: place().scale / scale, before, held: held() };)js");
  BOOST_TEST(std::abs(r.at("moved").at("x").get<double>() - 70) < pixel);
  BOOST_TEST(std::abs(r.at("moved").at("y").get<double>() - 30) < pixel);
  BOOST_TEST(r.at("dragged").at("scale") == r.at("start").at("scale"));
  BOOST_TEST(r.at("during") == true);
  BOOST_TEST(r.at("opened") == false);  // the end of a drag is no click
  BOOST_TEST(r.at("after") == false);
  BOOST_TEST(r.at("released") == r.at("dragged"));
  BOOST_TEST(r.at("factor").get<double>() == 2, boost::test_tools::tolerance(1e-6));
  for (std::size_t axis = 0; axis < 2; ++axis)
    BOOST_TEST(std::abs(r.at("before")[axis].get<double>() - r.at("held")[axis].get<double>()) <
               pixel);
}

BOOST_AUTO_TEST_CASE(search_finds_operations_modules_and_names) {
  const json r = page().visit(R"js(
    const count = (text) => { type(text); return [$("matches").textContent, view.querySelectorAll("g.node.match").length]; };
    const out = { operation: count("affine"), capital: count("AFFINE"), module: count("1.backward"), name: count("features"),
                  two: count("1.backward affine"), none: count("no such thing"), blank: count("   "), nothing: count("") };
    out.dim = view.querySelector("svg").classList.contains("searching");
    type("affine");
    const seen = [];
    const look = () => {
      const chosen = view.querySelector("g.node.selected"), a = middle(chosen), b = middle(view);
      seen.push({ id: chosen.dataset.id, told: $("matches").textContent, off: Math.hypot(a.x - b.x, a.y - b.y),
                  scale: place().scale, panel: $("panel").querySelector("h2").textContent });
    };
    key($("search"), "Enter"); look();
    key($("search"), "Enter"); look();
    key($("search"), "Enter", { shiftKey: true }); look();
    click($("previous")); look();
    click($("next")); look();
    key($("search"), "Escape");
    return { ...out, seen, left: $("search").value, matches: view.querySelectorAll(".match").length };)js");
  const graph::Picture& picture = page().picture;
  const auto expect = [&](const char* what, Index n) {
    BOOST_TEST_CONTEXT(what) {
      BOOST_TEST(r.at(what)[0] == std::to_string(n) + (n == 1 ? " match" : " matches"));
      BOOST_TEST(r.at(what)[1] == n);
    }
  };
  const Index affine = boxes_with(picture, "affine");
  BOOST_TEST(affine >= 8);
  expect("operation", affine);
  expect("capital", affine);
  const Index module = boxes_with(picture, "1.backward");
  BOOST_TEST(module >= 4);
  expect("module", module);
  expect("name", boxes_with(picture, "features"));
  BOOST_TEST(r.at("two")[1].get<Index>() >= 1);
  BOOST_TEST(r.at("two")[1].get<Index>() < module);
  expect("none", 0);
  for (const char* empty : {"blank", "nothing"}) BOOST_TEST(r.at(empty) == json({"", 0}));
  BOOST_TEST(r.at("dim") == false);
  const json& seen = r.at("seen");
  BOOST_TEST(seen[0].at("id") != seen[1].at("id"));
  BOOST_TEST(seen[2].at("id") == seen[0].at("id"));
  BOOST_TEST(seen[3].at("id") != seen[0].at("id"));
  BOOST_TEST(seen[4].at("id") == seen[0].at("id"));
  const std::string of = " of " + std::to_string(affine) + " matches";
  BOOST_TEST(seen[0].at("told") == "1" + of);
  BOOST_TEST(seen[1].at("told") == "2" + of);
  BOOST_TEST(seen[3].at("told") == std::to_string(affine) + of);
  for (const json& s : seen) {
    BOOST_TEST(s.at("off").get<double>() < 2 * pixel);
    BOOST_TEST(s.at("scale").get<double>() >= 0.74);
  }
  BOOST_TEST(r.at("left") == "");
  BOOST_TEST(r.at("matches") == 0);
}

BOOST_AUTO_TEST_CASE(everything_can_be_reached_with_keys) {
  const graph::Box& box = box_of(page().picture, "loss");
  const json r = page().visit("const box = node('" + box.id + "');" + R"js(
    const reached = [...document.querySelectorAll("input, button, #view, #view g.node")].every((e) => e.tabIndex >= 0);
    const named = [...document.querySelectorAll("input, button")].every((e) => e.getAttribute("aria-label") || e.textContent.trim());
    box.focus();
    const stopped = !key(box, " ");
    const space = location.hash;
    key(view, "Escape");
    const closed = $("panel").hidden;
    key(box, "Enter");
    return { reached, named, focus: document.activeElement === box, role: box.getAttribute("role"), stopped, space, closed,
             enter: location.hash };)js");
  for (const char* what : {"reached", "named", "focus", "stopped", "closed"})
    BOOST_TEST_CONTEXT(what) BOOST_TEST(r.at(what) == true);
  BOOST_TEST(r.at("role") == "button");
  BOOST_TEST(r.at("space") == "#" + box.id);
  BOOST_TEST(r.at("enter") == "#" + box.id);
}

BOOST_AUTO_TEST_CASE(the_address_opens_a_box) {
  const graph::Box& box = box_of(page().picture, "loss");
  const graph::Box& other = box_of(page().picture, "features");
  const std::string script = "const other = '" + other.id + "';" + R"js(
    const first = $("panel").hidden ? null : $("panel").querySelector("a").textContent;
    const chosen = view.querySelector("g.node.selected");
    const off = chosen ? Math.hypot(middle(chosen).x - middle(view).x, middle(chosen).y - middle(view).y) : null;
    location.hash = other;
    await new Promise((done) => setTimeout(done, 50));
    return { first, off, second: $("panel").querySelector("a").textContent, scrolled: [scrollX, scrollY, view.scrollTop] };)js";
  const json r = page().visit(script, {.fragment = "#" + box.id});
  BOOST_TEST(r.at("first") == "#" + box.id);
  BOOST_TEST(r.at("off").get<double>() < 2 * pixel);
  BOOST_TEST(r.at("second") == "#" + other.id);
  BOOST_TEST(r.at("scrolled") == json({0, 0, 0}));
  BOOST_TEST(page().visit(script, {.fragment = "#nonesuch"}).at("first") == nullptr);
}

BOOST_AUTO_TEST_CASE(it_follows_light_and_dark) {
  const graph::Box& box = box_of(page().picture, "features");
  const std::string script = "const box = node('" + box.id + "');" + R"js(
    const colours = () => [getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color,
      getComputedStyle(box.querySelector("ellipse")).fill, getComputedStyle(box.querySelector("text")).fill];
    const before = colours();
    click($("theme"));
    const after = colours();
    click($("theme"));
    return { before, after, again: colours() };)js";
  const json light = page().visit(script);
  const json dark = page().visit(script, {.dark = true});
  BOOST_TEST(light.at("before") == dark.at("after"));
  BOOST_TEST(light.at("after") == dark.at("before"));
  BOOST_TEST(light.at("again") == light.at("before"));
  BOOST_TEST(light.at("before")[0] == "rgb(255, 255, 255)");
  for (std::size_t i = 0; i < 4; ++i) BOOST_TEST(light.at("before")[i] != dark.at("before")[i]);
  const Page forced(record(), {.theme = graph::Theme::dark});
  BOOST_TEST(forced.visit("return getComputedStyle(document.body).backgroundColor;") ==
             dark.at("before")[0]);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
