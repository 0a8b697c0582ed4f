// Norms of the gradients of states over time, from recordings made by hand.
#include <charconv>
#include <cmath>
#include <limits>
#include <sstream>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/leaves.h"
#include "support/made_snapshot.h"

namespace unroll::test {
namespace {

using graph::Direction;
using graph::FlowSeries;

// A step's state h (and c), with the norms of their gradients.
struct Step {
  std::string path;
  Index layer;
  Direction direction;
  Index step;
  std::optional<double> norm;
};

graph::Snapshot made(const std::vector<Step>& steps, const std::string& state = "h") {
  MadeSnapshot made;
  const Index x = made.leaf("x", {2});
  for (const Step& s : steps) {
    const Index h = made.node({.operation = "tanh",
                               .path = s.path,
                               .step = s.step,
                               .layer = s.layer,
                               .direction = s.direction,
                               .inputs = {x}},
                              {{2}});
    made.snapshot.values[static_cast<std::size_t>(h)].state = state;
    made.snapshot.values[static_cast<std::size_t>(h)].gradient_norm = s.norm;
  }
  return made.snapshot;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(gradient_flow)

BOOST_AUTO_TEST_CASE(series_of_layers_directions_and_calls) {
  const auto flow = graph::gradient_flow(made({{"a", 0, Direction::forward, 0, 1.0},
                                               {"a", 0, Direction::forward, 1, 2.0},
                                               {"a", 0, Direction::backward, 1, 3.0},
                                               {"a", 0, Direction::backward, 0, 4.0},
                                               {"a", 1, Direction::forward, 0, 5.0},
                                               {"b", 0, Direction::forward, 0, 6.0},
                                               {"a", 0, Direction::forward, 0, 7.0},
                                               {"a", 0, Direction::forward, 1, std::nullopt}}));
  BOOST_REQUIRE_EQUAL(flow.series.size(), 5U);
  BOOST_TEST(flow.series[0].norms == (std::vector{1.0, 2.0}));
  BOOST_TEST(flow.series[0].steps == (std::vector<Index>{0, 1}));
  BOOST_TEST(flow.series[1].norms == (std::vector{4.0, 3.0}));  // ascending steps
  BOOST_TEST(flow.series[1].steps == (std::vector<Index>{0, 1}));
  BOOST_TEST((flow.series[1].direction == Direction::backward));
  BOOST_TEST(flow.series[2].layer == 1);
  BOOST_TEST(flow.series[3].path == "b");
  BOOST_TEST(flow.series[4].call == 1);
  BOOST_TEST(flow.series[4].norms == (std::vector{7.0, 0.0}));  // what the loss does not reach
  BOOST_TEST(flow.series[4].state == "h");
}

BOOST_AUTO_TEST_CASE(calls_of_one_step_each) {
  const auto flow = graph::gradient_flow(
      made({{"a", 0, Direction::backward, 0, 1.0}, {"a", 0, Direction::backward, 0, 2.0}}));
  BOOST_REQUIRE_EQUAL(flow.series.size(), 2U);
  BOOST_TEST(flow.series[1].call == 1);
}

// Of norms that fall or grow by a constant factor, growth is that factor; a layer that reads
// backwards has its past at greater steps.
BOOST_AUTO_TEST_CASE(growth_of_geometric_series) {
  for (const double factor : {0.5, 0.999, 1.0, 1.7})
    for (const Direction direction : {Direction::forward, Direction::backward, Direction::none}) {
      FlowSeries s{.direction = direction};
      for (Index t = 0; t < 60; ++t) {
        s.steps.push_back(t + 1'000'000);
        const auto back = static_cast<double>(direction == Direction::backward ? t : 60 - t);
        s.norms.push_back(3 * std::pow(factor, back));
      }
      BOOST_TEST(s.growth() == factor, boost::test_tools::tolerance(1e-12));
      s.norms[7] = 0;  // says nothing about the rate
      s.norms[9] = std::numeric_limits<double>::infinity();
      s.norms[11] = std::numeric_limits<double>::quiet_NaN();
      BOOST_TEST(s.growth() == factor, boost::test_tools::tolerance(1e-12));
    }
}

// Against the textbook's formula for the slope, in long double.
BOOST_AUTO_TEST_CASE(growth_is_the_least_squares_slope) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 100; ++round) {
    FlowSeries s;
    long double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
    for (Index t = 0; t < 2 + static_cast<Index>(random() % 20); ++t) {
      s.steps.push_back(t);
      s.norms.push_back(std::exp(std::uniform_real_distribution(-20.0, 3.0)(random)));
      const long double x = t, y = std::log(static_cast<long double>(s.norms.back()));
      n += 1, sx += x, sy += y, sxx += x * x, sxy += x * y;
    }
    const long double slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
    BOOST_TEST(s.growth() == static_cast<double>(std::exp(-slope)),
               boost::test_tools::tolerance(1e-10));
  }
}

BOOST_AUTO_TEST_CASE(growth_of_too_little) {
  BOOST_TEST(std::isnan(FlowSeries{}.growth()));
  BOOST_TEST(std::isnan((FlowSeries{.steps = {1}, .norms = {2}}.growth())));
  BOOST_TEST(std::isnan((FlowSeries{.steps = {1, 2}, .norms = {2, 0}}.growth())));
  BOOST_TEST(std::isnan((FlowSeries{.steps = {1, 1}, .norms = {2, 3}}.growth())));
}

BOOST_AUTO_TEST_CASE(what_is_missing_is_named_with_its_cure) {
  BOOST_TEST(error_text([] {
               graph::gradient_flow(made({{"a", 0, Direction::forward, 0, std::nullopt}}));
             }).ends_with("hint: tape.backward(loss, {.keep_norms = true})"));
  BOOST_TEST(error_text([] {
               graph::gradient_flow(made({{"a", 0, Direction::forward, 0, 1.0}}, ""));
             }).starts_with("[gradient_flow] a recording without states"));
}

BOOST_AUTO_TEST_CASE(csv_reads_back_to_the_bit) {
  graph::GradientFlow flow;
  flow.series.push_back(
      {.path = "a,\"b\"", .state = "h", .layer = 2, .direction = Direction::backward});
  std::mt19937_64 random(5);
  for (Index t = 0; t < 500; ++t) {
    flow.series[0].steps.push_back(t);
    flow.series[0].norms.push_back(std::ldexp(std::uniform_real_distribution(0.0, 1.0)(random),
                                              static_cast<int>(random() % 2000) - 1070));
  }
  flow.series[0].norms[3] = std::numeric_limits<double>::denorm_min();
  flow.series[0].norms[4] = std::numeric_limits<double>::infinity();
  std::ostringstream out;
  graph::write_csv(out, flow);
  std::istringstream lines(out.str());
  std::string line;
  std::getline(lines, line);
  BOOST_TEST(line == "path,state,layer,direction,call,step,norm");
  for (Index t = 0; t < 500; ++t) {
    std::getline(lines, line);
    const std::string head = "\"a,\"\"b\"\"\",h,2,backward,0," + std::to_string(t) + ",";
    BOOST_REQUIRE_MESSAGE(line.starts_with(head), line);
    double norm = -1;
    const auto read = std::from_chars(line.data() + head.size(), line.data() + line.size(), norm);
    BOOST_TEST((read.ec == std::errc() && read.ptr == line.data() + line.size()));
    BOOST_TEST(norm == flow.series[0].norms[static_cast<std::size_t>(t)]);
  }
  BOOST_TEST(!std::getline(lines, line));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
