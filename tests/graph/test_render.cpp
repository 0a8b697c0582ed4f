// Drawing by Graphviz within the program.
#include <unroll/autograd/graph/write.h>

#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include <boost/test/unit_test.hpp>
#include <malloc.h>
#include <unistd.h>

#include "support/error_text.h"
#include "support/temporary_folder.h"

namespace unroll::test {
namespace {

using graph::detail::render;

const std::string small =
    "digraph tape { n0 [label=\"tanh\"]; v0 [label=\"W\"]; v0 -> n0 [label=\"[3, 3]\"]; }";

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

// What is written to the standard error stream of the process meanwhile.
template <class F>
std::string printed_by(const F& call) {
  const TemporaryFolder folder;
  std::fflush(stderr);
  const int kept = ::dup(2);
  std::FILE* const file = std::fopen((folder / "stderr").c_str(), "w");
  ::dup2(::fileno(file), 2);
  call();
  std::fflush(stderr);
  ::dup2(kept, 2);
  ::close(kept);
  std::fclose(file);
  return read_file(folder / "stderr");
}

// A picture with every kind of thing that to_dot makes: clusters, curves, labels, loops.
std::string larger(int round) {
  std::string dot = "digraph tape {\n";
  for (int c = 0; c < 3; ++c) {
    dot += "subgraph \"cluster_" + std::to_string(c) + "\" { label=\"module " + std::to_string(c) +
           "\";\n";
    for (int n = 0; n < 6; ++n) {
      const std::string id = "n" + std::to_string(6 * c + n);
      dot += id + " [label=\"matmul\\nt=" + std::to_string(round) + "\"];\n";
      if (n > 0)
        dot += "n" + std::to_string(6 * c + n - 1) + " -> " + id + " [label=\"[2, 3]\"];\n";
    }
    dot += "}\n";
  }
  return dot + "n5 -> n6; n11 -> n12; n17 -> n0 [label=\"h, t−1\", constraint=false]; n3 -> n3; }";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(render_pictures)

BOOST_AUTO_TEST_CASE(each_format_is_what_it_says) {
  const std::string svg = render(small, "svg");
  BOOST_TEST(svg.starts_with("<?xml version=\"1.0\""));
  BOOST_TEST(svg.ends_with("</svg>\n"));
  BOOST_TEST(count(svg, "class=\"node\"") == 2U);
  BOOST_TEST(count(svg, "class=\"edge\"") == 1U);
  BOOST_TEST(count(svg, ">[3, 3]<") == 1U);
  const std::string png = render(small, "png");
  BOOST_TEST(png.starts_with("\x89PNG\r\n\x1a\n"));
  BOOST_TEST(png.substr(png.size() - 8, 4) == "IEND");
  const std::string pdf = render(small, "pdf");
  BOOST_TEST(pdf.starts_with("%PDF-"));
  BOOST_TEST(pdf.find("%%EOF") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(bytes_are_the_same_every_time) {
  for (const std::string format : {"svg", "png", "pdf"}) BOOST_TEST_CONTEXT(format) {
      const std::string first = render(larger(7), format);
      BOOST_TEST((render(larger(7), format) == first));
    }
  const std::string svg = render(larger(7), "svg");
  BOOST_TEST(count(svg, "<!--") == 0U);
  BOOST_TEST(count(svg, "<!DOCTYPE") == 0U);
  // A date would make two pictures of one graph differ; this one is no date of today.
  BOOST_TEST(count(render(small, "pdf"), "/CreationDate (D:20000101000000") == 1U);
}

BOOST_AUTO_TEST_CASE(what_is_no_dot_is_refused) {
  const std::string form =
      "; needed what Graphviz can draw; hint: graph::write(\"graph.dot\", snapshot) writes the "
      "text "
      "for it";
  BOOST_TEST(
      printed_by([&] {
        check_text([] { render("digraph { a -> ; }", "svg"); },
                   "[graph] text that is no DOT: Error: syntax error in line 1 near ';'" + form);
        check_text([] { render("", "svg"); }, "[graph] text that is no DOT" + form);
        check_text([] { render("digraph {", "svg"); },
                   "[graph] text that is no DOT: Error: syntax error in line 1" + form);
        check_text([] { render(std::string("digraph {\0}", 11), "svg"); },
                   "[graph] DOT with a zero byte" + form);
        check_text([] { render(small, "gif"); }, "[graph] format gif; needed svg, png or pdf");
      }) == "");
  BOOST_TEST(count(render(small, "svg"), "class=\"node\"") == 2U);  // and goes on
}

BOOST_AUTO_TEST_CASE(warnings_are_not_printed) {
  BOOST_TEST(printed_by([] {
               render("digraph { a [shape=nonesuch, fontname=\"No Such Font\", color=nocolour]; }",
                      "svg");
               render("digraph { a [label=\"\xff\xfe caf\xe9\", image=\"/no/file.png\"]; }", "svg");
             }) == "");
}

BOOST_AUTO_TEST_CASE(an_empty_graph_is_a_picture) {
  BOOST_TEST(count(render("digraph {}", "svg"), "class=\"node\"") == 0U);
  BOOST_TEST(render("digraph {}", "png").starts_with("\x89PNG"));
}

BOOST_AUTO_TEST_CASE(huge_labels_and_deep_clusters_survive) {
  const std::string label(100'000, 'x');
  BOOST_TEST(count(render("digraph { \"" + label + "\" -> a [label=\"" + label + "\"]; }", "svg"),
                   "class=\"node\"") == 2U);
  std::string open;
  std::string close;
  constexpr int depth = 300;
  for (int d = 0; d < depth; ++d) {
    const std::string id = std::to_string(d);
    open += "subgraph cluster_" + id + " { label=\"m" + id + "\"; n" + id + ";\n";
    close += "}";
  }
  const std::string svg = render("digraph { " + open + close + " n0 -> n299; }", "svg");
  BOOST_TEST(count(svg, "class=\"cluster\"") == 300U);
  BOOST_TEST(count(svg, "class=\"edge\"") == 1U);
}

BOOST_AUTO_TEST_CASE(threads_take_turns) {
  std::vector<std::string> expected;
  for (int k = 0; k < 4; ++k) expected.push_back(render(larger(k), "svg"));
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int k = 0; k < 4; ++k)
    threads.emplace_back([&, k] {
      for (int round = 0; round < 5; ++round) {
        if (render(larger(k), "svg") != expected[static_cast<std::size_t>(k)]) ++wrong;
        if (error_text([] { render("digraph { a -> ; }", "svg"); }).empty()) ++wrong;
      }
    });
  for (std::thread& t : threads) t.join();
  BOOST_TEST(wrong.load() == 0);
}

BOOST_AUTO_TEST_CASE(memory_does_not_pile_up) {
  const auto in_use = [] { return static_cast<std::int64_t>(::mallinfo2().uordblks); };
  const std::string dots[] = {small, larger(3)};
  const auto draw = [&](int times) {
    for (int k = 0; k < times; ++k) render(dots[k % 2], k % 10 == 0 ? "png" : "svg");
  };
  draw(20);  // plug-ins are loaded once
  const std::int64_t before = in_use();
  draw(200);
  BOOST_TEST(in_use() - before < 200 * 64);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
