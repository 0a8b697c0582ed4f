// Pages of graphs whose names are not meant well.
#include <unroll/autograd/graph/detail/html.h>

#include <boost/test/unit_test.hpp>

#include "browser.h"
#include "graph/hostile_graph.h"
#include "support/temporary_folder.h"

namespace unroll::test {
namespace {

using nlohmann::json;

// What each panel says, by the box's id, opened one after the other.
constexpr const char* open_all = R"js(
  const told = {};
  for (const box of view.querySelectorAll("g.node")) {
    box.focus();
    key(box, "Enter");
    told[box.dataset.id] = [$("panel").querySelector("h2").textContent,
      ...[...$("panel").querySelectorAll(":scope > p")].map((p) => p.textContent)];
  }
  type("\\x");
  return { told, scripts: document.scripts.length, foreign: document.querySelectorAll("img, iframe, b, table").length,
           found: view.querySelectorAll(".match").length, alert: window.pwned ?? null };)js";

void check_page(const graph::Snapshot& snapshot, const graph::DrawOptions& options,
                std::size_t most) {
  const TemporaryFolder folder;
  graph::write(folder / "a.html", snapshot, options);
  const json all = visit(read_file(folder / "a.html"), open_all);
  BOOST_TEST(all.at("errors") == json::array());
  BOOST_TEST(all.at("loaded") == json::array());
  const json& r = all.at("result");
  const graph::Picture picture = graph::picture(snapshot, options);
  BOOST_TEST(r.at("told").size() == picture.boxes.size());
  for (const graph::Box& b : picture.boxes) {
    json lines = json::array();
    for (const std::string& line : b.lines) lines.push_back(graph::printable(line, most));
    if (lines.empty() || lines[0] == "") {  // the panel has the id instead
      if (lines.empty()) lines.push_back("");
      lines[0] = b.id;
    }
    BOOST_TEST(r.at("told").at(b.id) == lines);
  }
  BOOST_TEST(r.at("scripts") == 4);  // the page's two, and the test's
  BOOST_TEST(r.at("foreign") == 0);
  BOOST_TEST(r.at("alert") == nullptr);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hostile_page)

BOOST_AUTO_TEST_CASE(names_stay_text) {
  graph::Snapshot s;
  const std::string names[] = {"</script><script>window.pwned = 1</script>",
                               "<!-- <script>",
                               "--> ]]>",
                               "\"' onload=\"window.pwned = 1\" x='",
                               "<img src=x onerror=\"window.pwned=1\">",
                               "\u2028\u2029\u202e",
                               "\xff\xfe\xc0",
                               std::string("\0\x01\x1b", 3),
                               "{{data}}{{script}}",
                               "&lt;b&gt; &amp; &#60;",
                               "__proto__",
                               "\\N\\G\\x41",
                               "`${window.pwned = 1}`"};
  for (const std::string& name : names)
    s.values.push_back({.shape = {2}, .name = name, .parameter = true});
  const Index leaves = std::ssize(s.values);
  for (Index n = 0; n < leaves; ++n) {
    s.nodes.push_back(
        {.operation = names[n], .path = names[n], .inputs = {n}, .outputs = {leaves + n}});
    s.values.push_back({.shape = {2}, .node = n, .name = names[n], .state = names[n]});
  }
  check_page(s, {.fold_time = false, .budget = 0, .title = names[0] + names[2]}, 300);
}

BOOST_AUTO_TEST_CASE(random_names_stay_text) {
  Rng rng(13);
  for (int k = 0; k < 4; ++k)
    check_page(hostile_graph(rng), {.fold_time = false, .budget = 0}, 300);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
