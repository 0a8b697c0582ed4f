// The text of pictures, kept in tests/golden. UNROLL_UPDATE_GOLDEN=1 writes the files anew: draw
// them (dot -Tpng tests/golden/attention.dot -o attention.png) and look before they are kept.
#include <algorithm>
#include <string>

#include <boost/test/unit_test.hpp>

#include "support/drawn_graphs.h"
#include "support/golden_text.h"

namespace unroll::test {
namespace {

struct Counts {
  const char* name;
  std::size_t boxes, arrows, frames;
};

constexpr Counts counts[] = {
    {"expression", 8, 7, 0},
    {"expression_dark", 8, 7, 0},
    {"expression_backward", 15, 18, 0},
    {"rnn_cell", 10, 10, 2},
    {"gru_cell", 12, 13, 2},
    {"lstm_cell", 11, 12, 2},
    {"bidirectional_lstm", 44, 53, 12},
    {"bidirectional_lstm_in_blocks", 48, 57, 16},
    {"own_cell", 14, 16, 3},
    {"attention", 36, 46, 6},
    {"branches", 7, 10, 2},
    {"second_order", 8, 11, 0},
    {"trouble", 13, 12, 0},
    {"window", 24, 35, 5},
    {"collapsed", 10, 9, 2},
    {"focus", 5, 5, 3},
    {"thinned", 20, 29, 2},
    {"gradients", 15, 16, 3},
    {"memory", 15, 16, 3},
    {"time", 15, 16, 3},
    {"lstm_backward", 29, 36, 6},
    {"difference", 10, 10, 0},
    {"difference_of_loops", 7, 10, 2},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(golden_dot)

BOOST_AUTO_TEST_CASE(pictures_are_what_they_were) {
  const auto graphs = drawn_graphs();
  BOOST_TEST(graphs.size() == std::size(counts));
  for (const DrawnGraph& g : graphs) {
    const std::string text = graph::to_dot(g.picture, g.options);
    BOOST_TEST_CONTEXT(g.name) {
      BOOST_TEST((text == golden_text(g.name + ".dot", text)));
      const auto* known = std::find_if(std::begin(counts), std::end(counts),
                                       [&](const Counts& c) { return g.name == c.name; });
      BOOST_REQUIRE(known != std::end(counts));
      BOOST_TEST(g.picture.boxes.size() == known->boxes);
      BOOST_TEST(g.picture.arrows.size() == known->arrows);
      BOOST_TEST(g.picture.frames.size() == known->frames);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_same_recording_gives_the_same_text) {
  const auto once = drawn_graphs(), again = drawn_graphs();
  for (std::size_t i = 0; i < once.size(); ++i)
    BOOST_TEST((graph::to_dot(once[i].picture, once[i].options) ==
                graph::to_dot(again[i].picture, again[i].options)));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
