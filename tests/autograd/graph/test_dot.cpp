// Texts of DOT: what is printable, how much fits, what the options say.
#include <unroll/autograd/graph/dot.h>

#include <string>

#include <boost/test/unit_test.hpp>

#include "support/drawn_graphs.h"
#include "support/recorded_graph.h"

namespace unroll::test {

using graph::printable;

BOOST_AUTO_TEST_SUITE(dot)

BOOST_AUTO_TEST_CASE(what_is_printable_stays) {
  for (const std::string text :
       {"", "lstm.0.forward", "größe", "∂h, t−1", "層", "\xf0\x9f\x98\x80"})
    BOOST_TEST(printable(text) == text);
}

BOOST_AUTO_TEST_CASE(other_bytes_are_written_out) {
  BOOST_TEST(printable("a\nb\t") == "a\\x0Ab\\x09");
  BOOST_TEST(printable(std::string("\0\x7f", 2)) == "\\x00\\x7F");
  BOOST_TEST(printable("\xff\xfe") == "\\xFF\\xFE");
  BOOST_TEST(printable("\xc3") == "\\xC3");                             // cut off
  BOOST_TEST(printable("\xc0\xaf") == "\\xC0\\xAF");                    // overlong
  BOOST_TEST(printable("\xed\xa0\x80") == "\\xED\\xA0\\x80");           // a surrogate
  BOOST_TEST(printable("\xc2\x85") == "\\xC2\\x85");                    // a control character
  BOOST_TEST(printable("\xe2\x80\xae") == "\\xE2\\x80\\xAE");           // turns the text round
  BOOST_TEST(printable("\xf4\x90\x80\x80") == "\\xF4\\x90\\x80\\x80");  // beyond Unicode
}

BOOST_AUTO_TEST_CASE(long_texts_are_cut_between_characters) {
  BOOST_TEST(printable("abcdef", 6) == "abcdef");
  BOOST_TEST(printable("abcdefg", 6) == "abcde…");
  BOOST_TEST(printable("ääääääh", 6) == "äääää…");
  BOOST_TEST(printable("abc\n", 6) == "abc…");  // \x0A would not fit
  BOOST_TEST(printable(std::string(100'000, 'x')).size() == 59 + std::string("…").size());
}

BOOST_AUTO_TEST_CASE(themes_titles_and_legends) {
  const auto snapshot = record_branches(10);
  const std::string light = graph::to_dot(snapshot);
  BOOST_TEST(light.find("bgcolor=\"#ffffff\"") != std::string::npos);
  BOOST_TEST(light.find(">parameter<") != std::string::npos);
  BOOST_TEST(light.find(">module<") == std::string::npos);  // there is none
  const std::string dark =
      graph::to_dot(snapshot, {.legend = false, .theme = graph::Theme::dark, .title = "A & B"});
  BOOST_TEST(dark.find("#ffffff") == std::string::npos);
  BOOST_TEST(dark.find(">parameter<") == std::string::npos);
  BOOST_TEST(dark.find("A &amp; B") != std::string::npos);
}

// Graphviz gives up at strings of 16 KiB.
BOOST_AUTO_TEST_CASE(no_text_is_too_long) {
  GraphBuilder g;
  g.place.path.assign(50'000, '"');
  g.place.path.append(1, '.').append(50'000, '&');
  Index x = g.leaf({2}, std::string(100'000, '\\'));
  for (Index t = 0; t < 40; ++t) {
    g.place.step = t;
    x = g.node(std::string(100'000, '\x01'), {x});
    g.snapshot.values[static_cast<std::size_t>(x)].name = std::string(100'000, '<');
    g.snapshot.values[static_cast<std::size_t>(x)].state = std::string(100'000, '&');
  }
  g.snapshot.loss = x;
  for (const graph::DrawOptions& o :
       {graph::DrawOptions{.fold_time = true}, graph::DrawOptions{.window = 1},
        graph::DrawOptions{.depth = 0, .backward = true, .title = std::string(100'000, '&')}}) {
    const std::string text = graph::to_dot(g.snapshot, o);
    std::size_t longest = 0;
    for (std::size_t at = 0, end = 0; (end = text.find("\",", at)) != std::string::npos;
         at = end + 2)
      longest = std::max(longest, end - at);
    BOOST_TEST(longest > 500U);
    BOOST_TEST(longest < 16'384U);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
