// Names are the users': any bytes. Graphviz itself reads what comes of them.
#include <unroll/autograd/detail/utf8.h>
#include <unroll/autograd/graph/dot.h>

#include <cstdlib>
#include <map>
#include <memory>

#include <boost/test/unit_test.hpp>
#include <cgraph.h>
#include <nlohmann/json.hpp>

#include "hostile_graph.h"
#include "support/source_tree.h"
#include "support/temporary_folder.h"

namespace unroll::test {
namespace {

const graph::DrawOptions everything{.fold_time = false, .budget = 0};

// The first character that nobody should be shown; empty where there is none.
std::string unprintable_in(std::string_view text) {
  while (!text.empty()) {
    const detail::Character c = detail::first_character(text);
    const bool control = c.code < 0x20 || (c.code >= 0x7f && c.code < 0xa0);
    const bool breaks_lines = c.code == 0x2028 || c.code == 0x2029;
    const bool directs =
        (c.code >= 0x202a && c.code <= 0x202e) || (c.code >= 0x2066 && c.code <= 0x2069);
    if (c.code >= detail::invalid_byte || control || breaks_lines || directs)
      return "character " + std::to_string(c.code) + " before " + std::string(text.substr(0, 40));
    text.remove_prefix(static_cast<std::size_t>(c.bytes));
  }
  return {};
}

// What an HTML-like label says: tags left out, entities and escapes resolved.
std::string said_by(std::string_view label) {
  const std::pair<std::string_view, char> escapes[] = {{"&amp;", '&'}, {"&lt;", '<'},
                                                       {"&gt;", '>'},  {"&quot;", '"'},
                                                       {"&#93;", ']'}, {"\\\\", '\\'}};
  std::string out;
  while (!label.empty()) {
    if (label.front() == '<') {
      label.remove_prefix(std::min(label.find('>'), label.size() - 1) + 1);
      continue;
    }
    std::string_view next = label.substr(0, 1);
    char c = label.front();
    for (const auto& [text, meant] : escapes)
      if (label.starts_with(text)) {
        next = text;
        c = meant;
      }
    out += c;
    label.remove_prefix(next.size());
  }
  return out;
}

struct Close {
  void operator()(Agraph_t* g) const { agclose(g); }
};

std::string value_of(void* object, const char* attribute) {
  const char* value = agget(object, const_cast<char*>(attribute));
  return value == nullptr ? std::string() : std::string(value);
}

// Everything that Graphviz would show of a graph is printable, and is what the picture says.
void check_dot(const graph::Snapshot& s, const std::string& dot) {
  const graph::Picture picture = graph::picture(s, everything);
  const std::unique_ptr<Agraph_t, Close> g(agmemread(dot.c_str()));
  BOOST_REQUIRE(g != nullptr);
  std::size_t edges = 0;
  for (const graph::Node& n : s.nodes) edges += n.inputs.size();
  BOOST_TEST(static_cast<std::size_t>(agnnodes(g.get())) == s.nodes.size() + 6);  // and leaves
  BOOST_TEST(static_cast<std::size_t>(agnedges(g.get())) == edges);
  std::map<std::string, const graph::Box*> boxes;
  for (const graph::Box& b : picture.boxes) boxes[b.id] = &b;
  std::string bad;
  const auto look = [&](void* object) {
    for (const char* attribute : {"label", "tooltip", "id"})
      if (const std::string found = unprintable_in(value_of(object, attribute)); !found.empty())
        bad = attribute + (": " + found);
  };
  look(g.get());
  for (Agnode_t* n = agfstnode(g.get()); n != nullptr; n = agnxtnode(g.get(), n)) {
    look(n);
    const auto box = boxes.find(agnameof(n));
    if (box == boxes.end()) {
      bad = std::string("no box ") + agnameof(n);
      continue;
    }
    const std::string label = said_by(value_of(n, "label"));
    for (const std::string& line : box->second->lines)
      if (label.find(graph::printable(line)) == std::string::npos)
        bad = "not in the label: " + graph::printable(line) + " / " + label;
    for (Agedge_t* e = agfstout(g.get(), n); e != nullptr; e = agnxtout(g.get(), e)) look(e);
  }
  BOOST_TEST(bad == "");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(labels)

BOOST_AUTO_TEST_CASE(ten_thousand_names_are_read_by_graphviz) {
  Rng rng(11);
  for (Index names = 0; names < 10'000; names += names_in_hostile_graph) {
    const graph::Snapshot s = hostile_graph(rng);
    BOOST_TEST_CONTEXT("at name " << names) check_dot(s, graph::to_dot(s, everything));
  }
}

BOOST_AUTO_TEST_CASE(a_sample_is_drawn_as_xml) {
  Rng rng(12);
  const TemporaryFolder folder;
  nlohmann::json expected;
  for (int k = 0; k < 25; ++k) {
    const graph::Snapshot s = hostile_graph(rng);
    const std::string name = std::to_string(k) + ".svg";
    graph::write(folder / name, s, everything);
    nlohmann::json boxes;
    for (const graph::Box& b : graph::picture(s, everything).boxes)
      for (const std::string& line : b.lines) boxes[b.id].push_back(graph::printable(line));
    expected[name] = boxes;
  }
  write_file(folder / "expected.json", expected.dump());
  const std::string command = std::string("\"") + UNROLL_PYTHON + "\" \"" +
                              source_tree("tests/graph/check_svg.py") + "\" \"" + folder.path() +
                              "\"";
  BOOST_TEST(std::system(command.c_str()) == 0);
}

// Modules that are entered again and again, loops in them: what Graphviz has trouble with.
BOOST_AUTO_TEST_CASE(random_graphs_are_drawn) {
  Rng rng(14);
  const std::string paths[] = {"", "a", "a.b", "a.b.c", "d", "d.e", "a.f", "g.h.i.j"};
  for (int round = 0; round < 60; ++round) {
    graph::Snapshot s;
    const Index leaves = 1 + rng.below(10);
    const Index operations = 1 + rng.below(80);
    for (Index v = 0; v < leaves; ++v)
      s.values.push_back({.shape = {2}, .name = "x", .parameter = v % 2 == 0});
    for (Index n = 0; n < operations; ++n) {
      graph::Node node{.operation = "f" + std::to_string(rng.below(5)),
                       .path = paths[rng.below(8)],
                       .step = rng.below(2) == 0 ? -1 : rng.below(6),
                       .outputs = {leaves + n}};
      for (Index k = rng.below(4); k >= 0; --k)
        node.inputs.push_back(rng.below(10) == 0 ? -1 : rng.below(leaves + n));
      s.nodes.push_back(node);
      s.values.push_back({.shape = {3}, .node = n, .state = rng.below(5) == 0 ? "h" : ""});
    }
    s.loss = leaves + operations - 1;
    graph::DrawOptions options;
    if (round % 4 < 2) options.fold_time = round % 4 == 0;
    if (round % 4 == 2) options.window = 1 + rng.below(3);
    if (rng.below(2) == 0) options.budget = 0;
    const graph::Picture picture = graph::picture(s, options);
    const std::string svg = graph::detail::render(graph::to_dot(picture, options), "svg");
    const auto count = [&](const std::string& part) {
      std::size_t n = 0;
      for (std::size_t at = svg.find(part); at != std::string::npos; at = svg.find(part, at + 1))
        ++n;
      return n;
    };
    BOOST_TEST_CONTEXT("round " << round) {
      BOOST_TEST(count("class=\"node\"") == picture.boxes.size());
      BOOST_TEST(count("class=\"edge\"") == picture.arrows.size());
    }
  }
}

BOOST_AUTO_TEST_CASE(deep_paths_are_drawn) {
  std::string path;
  for (int d = 0; d < 300; ++d) path += (d == 0 ? "" : ".") + std::to_string(d);
  graph::Snapshot s;
  s.values.push_back({.name = "x"});
  s.values.push_back({.node = 0});
  s.nodes.push_back({.operation = "tanh", .path = path, .inputs = {0}, .outputs = {1}});
  const TemporaryFolder folder;
  graph::write(folder / "deep.svg", s, everything);
  BOOST_TEST(read_file(folder / "deep.svg").find(">tanh<") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
