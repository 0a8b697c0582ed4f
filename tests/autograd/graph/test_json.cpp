// Graphs as JSON: every field comes back to the bit, whatever the bytes; what is no graph is an error.
#include <unroll/autograd/rng.h>

#include <bit>
#include <limits>
#include <sstream>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "support/error_text.h"
#include "support/leaves.h"
#include "support/temporary_folder.h"

namespace unroll::test {
namespace {

using graph::Snapshot;

std::string any_bytes(Rng& rng, Index longest) {
  std::string text;
  const Index kind = rng.below(4);
  for (Index n = rng.below(longest + 1); n > 0; --n)
    text += kind == 0   ? static_cast<char>(rng.below(256))
            : kind == 1 ? static_cast<char>(rng.below(128))
            : kind == 2 ? "\"\\\n\t{}[],:/\x7f\0"[rng.below(13)]
                        : static_cast<char>('a' + rng.below(26));
  if (kind == 3 && rng.below(2) == 0) text += "…λ\xf0\x9f\x8c\xb3";
  return text;
}

double any_number(Rng& rng) {
  constexpr double special[] = {0.0,
                                -0.0,
                                1,
                                -1,
                                5,
                                0.1,
                                1e22,
                                1e23,
                                9007199254740993.0,
                                18446744073709551616.0,
                                std::numeric_limits<double>::infinity(),
                                -std::numeric_limits<double>::infinity(),
                                std::numeric_limits<double>::quiet_NaN(),
                                std::numeric_limits<double>::denorm_min(),
                                std::numeric_limits<double>::max(),
                                std::numeric_limits<double>::lowest(),
                                std::numeric_limits<double>::min()};
  if (rng.below(2) == 0) return special[rng.below(std::ssize(special))];
  return std::bit_cast<double>(rng.next());
}

std::optional<double> maybe_number(Rng& rng) {
  if (rng.below(2) == 0) return {};
  return any_number(rng);
}

// A graph that check() takes, with something in every field now and then.
Snapshot random_graph(std::uint64_t seed) {
  Rng rng(seed);
  Snapshot s;
  const auto add_value = [&](Index node) {
    graph::Value v;
    v.node = node;
    if (rng.below(2) == 0) v.name = any_bytes(rng, 20);
    if (rng.below(4) == 0) v.state = any_bytes(rng, 5);
    v.parameter = rng.below(4) == 0;
    v.dtype = static_cast<DType>(rng.below(3));
    std::vector<Index> extents;
    for (Index r = rng.below(9); r > 0; --r) extents.push_back(rng.below(r == 1 ? 100'000 : 7));
    v.shape = Shape(extents);
    if (rng.below(2) == 0)
      v.statistics = graph::Statistics{.mean = any_number(rng),
                                       .deviation = any_number(rng),
                                       .least = any_number(rng),
                                       .most = any_number(rng),
                                       .nan = rng.below(3),
                                       .infinite = rng.below(3),
                                       .zeros = rng.below(3)};
    v.gradient_norm = maybe_number(rng);
    s.values.push_back(v);
    return std::ssize(s.values) - 1;
  };
  for (Index n = rng.below(12); n > 0; --n) {
    for (Index leaves = rng.below(3); leaves > 0; --leaves) add_value(-1);
    graph::Node node;
    node.operation = any_bytes(rng, 12);
    node.path = any_bytes(rng, 40);
    node.step = rng.below(3) - 1;
    node.layer = rng.below(3) - 1;
    node.direction = static_cast<graph::Direction>(rng.below(3));
    node.order = static_cast<int>(rng.below(3));
    node.view = rng.below(2) == 0;
    for (Index k = rng.below(4); k > 0; --k)
      node.inputs.push_back(rng.below(std::ssize(s.values) + 1) - 1);
    for (Index k = rng.below(4); k > 0; --k) node.outputs.push_back(add_value(std::ssize(s.nodes)));
    node.saved_bytes = rng.below(2) * static_cast<Index>(rng.next() >> 1);
    node.seconds = maybe_number(rng);
    node.backward_seconds = maybe_number(rng);
    s.nodes.push_back(node);
  }
  s.loss = rng.below(std::ssize(s.values) + 1) - 1;
  return s;
}

bool same(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}
bool same(const std::optional<double>& a, const std::optional<double>& b) {
  return a.has_value() == b.has_value() && (!a || same(*a, *b));
}
bool same(const graph::Node& a, const graph::Node& b) {
  return a.operation == b.operation && a.path == b.path && a.step == b.step && a.layer == b.layer &&
         a.direction == b.direction && a.order == b.order && a.view == b.view &&
         a.inputs == b.inputs && a.outputs == b.outputs && a.saved_bytes == b.saved_bytes &&
         same(a.seconds, b.seconds) && same(a.backward_seconds, b.backward_seconds);
}
bool same(const graph::Statistics& a, const graph::Statistics& b) {
  return same(a.mean, b.mean) && same(a.deviation, b.deviation) && same(a.least, b.least) &&
         same(a.most, b.most) && a.nan == b.nan && a.infinite == b.infinite && a.zeros == b.zeros;
}
bool same(const graph::Value& a, const graph::Value& b) {
  return a.shape == b.shape && a.dtype == b.dtype && a.node == b.node && a.name == b.name &&
         a.parameter == b.parameter && a.state == b.state &&
         a.statistics.has_value() == b.statistics.has_value() &&
         (!a.statistics || same(*a.statistics, *b.statistics)) &&
         same(a.gradient_norm, b.gradient_norm);
}
bool same(const Snapshot& a, const Snapshot& b) {
  const auto all = [](const auto& x, const auto& y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(),
                      [](const auto& p, const auto& q) { return same(p, q); });
  };
  return a.loss == b.loss && all(a.nodes, b.nodes) && all(a.values, b.values);
}

std::string error_reading(const std::string& text) {
  return error_text([&] { static_cast<void>(graph::from_json(text)); });
}

bool is_utf8(const std::string& text) {
  try {
    return !nlohmann::json(text).dump().empty();
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

// The text around a single node or value.
std::string around(const std::string& nodes, const std::string& values) {
  return "{\"format\": \"unroll graph 1\",\n\"nodes\": [\n" + nodes + "],\n\"values\": [\n" +
         values + "]}";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(graph_json)

BOOST_AUTO_TEST_CASE(everything_comes_back) {
  Index nodes = 0;
  for (std::uint64_t seed = 0; seed < 600; ++seed) {
    const Snapshot s = random_graph(seed);
    BOOST_CHECK_NO_THROW(graph::check(s));
    const std::string text = graph::to_json(s);
    const Snapshot back = graph::from_json(text);
    BOOST_TEST_CONTEXT("seed " << seed) BOOST_TEST(same(back, s));
    BOOST_TEST(graph::to_json(back) == text);
    std::ostringstream out;
    graph::to_json(out, s);
    BOOST_TEST(out.str() == text);
    std::istringstream in(text);
    BOOST_TEST(same(graph::from_json(in), s));
    nodes += std::ssize(s.nodes);
  }
  BOOST_TEST(nodes > 1000);
  BOOST_TEST(same(graph::from_json(graph::to_json({})), Snapshot()));
}

// Read by a parser that knows nothing of graphs.
BOOST_AUTO_TEST_CASE(fields_are_where_the_header_says) {
  Snapshot s;
  s.values.push_back({.shape = {2, 3}, .name = "W", .parameter = true, .gradient_norm = 0.5});
  s.values.push_back({.dtype = f64,
                      .node = 0,
                      .state = "h",
                      .statistics = graph::Statistics{.mean = 1, .least = -2.5, .nan = 3}});
  s.nodes.push_back({.operation = "tanh",
                     .path = "lstm.0",
                     .step = 4,
                     .layer = 1,
                     .direction = graph::Direction::backward,
                     .order = 2,
                     .view = true,
                     .inputs = {0, -1},
                     .outputs = {1},
                     .saved_bytes = 64,
                     .seconds = 1e-6,
                     .backward_seconds = std::numeric_limits<double>::infinity()});
  s.loss = 1;
  const auto json = nlohmann::json::parse(graph::to_json(s));
  BOOST_TEST(json == nlohmann::json::parse(R"({
    "format": "unroll graph 1", "loss": 1,
    "nodes": [{"operation": "tanh", "path": "lstm.0", "step": 4, "layer": 1, "direction": "backward",
               "order": 2, "view": true, "inputs": [0, -1], "outputs": [1], "saved_bytes": 64,
               "seconds": 1e-6,
               "backward_seconds": "inf"}],
    "values": [{"name": "W", "parameter": true, "shape": [2, 3], "gradient_norm": 0.5},
               {"state": "h", "node": 0, "dtype": "f64",
                "statistics": {"mean": 1, "deviation": 0, "least": -2.5, "most": 0, "nan": 3}}]})"));
  s.nodes[0].operation = "\xff\"";
  BOOST_TEST(nlohmann::json::parse(graph::to_json(s))["nodes"][0]["operation"] ==
             nlohmann::json::parse(R"({"bytes": [255, 34]})"));
}

BOOST_AUTO_TEST_CASE(a_node_or_a_value_is_a_line) {
  const Snapshot s = random_graph(5);
  const std::string text = graph::to_json(s);
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  BOOST_TEST(lines == s.nodes.size() + s.values.size() + (s.loss >= 0 ? 1U : 0U) +
                          (s.nodes.empty() ? 0U : 1U) + (s.values.empty() ? 0U : 1U) + 3U);
}

BOOST_AUTO_TEST_CASE(errors_tell_line_and_need) {
  BOOST_TEST(error_reading("") ==
             "[graph] line 1: no JSON: \"unexpected end of input\"; needed '[', '{', or a literal");
  BOOST_TEST(error_reading("{\n\"format\": \"unroll graph 1\",\n\n]") ==
             "[graph] line 4: no JSON: \"unexpected ']'\"; needed string literal");
  BOOST_TEST(error_reading("[1]") ==
             "[graph] line 1: a list; needed an object {\"format\": \"unroll graph 1\", ...}");
  BOOST_TEST(error_reading("{\n\"nodes\": []}") ==
             "[graph] line 2: no \"format\"; needed \"format\": \"unroll graph 1\"");
  BOOST_TEST(
      error_reading("{\"format\": \"unroll graph 9\"}") ==
      "[graph] line 1: \"format\" has the text \"unroll graph 9\"; needed \"unroll graph 1\"");
  BOOST_TEST(error_reading("{\"nope\": 1}") ==
             "[graph] line 1: the key \"nope\"; needed one of format, loss, nodes, values");
  BOOST_TEST(error_reading(around("{},\n7", "")) ==
             "[graph] line 4: 7; needed an object for each of them");
  BOOST_TEST(
      error_reading(around("{},\n{},\n{\"step\": 1.5}", "")) ==
      "[graph] line 5: \"step\" has a number that is not whole, or too large; needed a whole "
      "number");
  BOOST_TEST(error_reading(around("{\"step\":\n3\n,\n\"step\": 1}", "")) ==
             "[graph] line 6: a second \"step\"; needed it once");
  BOOST_TEST(error_reading(around("{\"inputs\": [1, \"a\\u0007\"]}", "")) ==
             "[graph] line 3: \"inputs\" has the text \"a\\x07\"; needed a list of whole numbers");
  BOOST_TEST(error_reading(around("{\"operation\": {\"bytes\": [256]}}", "")) ==
             "[graph] line 3: \"operation\" has 256; needed whole numbers from 0 to 255");
  BOOST_TEST(error_reading(around("{\"operation\": {}}", "")) ==
             "[graph] line 3: \"operation\" has an object without \"bytes\"; needed {\"bytes\": "
             "[...]} and nothing else");
  BOOST_TEST(error_reading(around("{\"order\": -1}", "")) ==
             "[graph] line 3: \"order\" has -1; needed a whole number from 0");
  BOOST_TEST(error_reading(around("", "{\"dtype\": \"f16\"}")) ==
             "[graph] line 5: \"dtype\" has the text \"f16\"; needed \"f32\", \"f64\" or \"i64\"");
  BOOST_TEST(error_reading(around("", "{\"parameter\": null}")) ==
             "[graph] line 5: \"parameter\" has null; needed true or false");
  for (const char* shape : {"[-1]", "[1,1,1,1,1,1,1,1,1]", "[4611686018427387904, 2]"})
    BOOST_TEST(error_reading(around("", std::string("{\"shape\": ") + shape + "}"))
                   .starts_with("[graph] line 5: \"shape\" has "));
  BOOST_TEST(error_reading(around("", "{\"gradient_norm\": \"nan:0\"}"))
                 .starts_with("[graph] line 5: \"gradient_norm\" has the text \"nan:0\"; needed "));
  // What check() finds has a line, too.
  BOOST_TEST(error_reading(around("{},\n{\"inputs\": [5]}", "{}")) ==
             "[graph] line 4: node 1 reads value 5; needed -1 or one of 1 values");
  BOOST_TEST(error_reading(around("{}", "{},\n{\"node\": 0}")) ==
             "[graph] line 6: value 1, whose node is 0; needed it among the outputs of that node");
  BOOST_TEST(error_reading("{\"format\": \"unroll graph 1\",\n\"loss\": 0\n}") ==
             "[graph] line 2: the loss is value 0; needed -1 or one of 0 values");
}

BOOST_AUTO_TEST_CASE(files) {
  const TemporaryFolder folder;
  const Snapshot s = random_graph(3);
  write_file(folder / "a.json", graph::to_json(s));
  BOOST_TEST(same(graph::read(folder / "a.json"), s));
  write_file(folder / "b.json", "{\n]");
  const std::string path = folder / "b.json";
  const std::string error = error_text([&] { static_cast<void>(graph::read(path)); });
  BOOST_TEST(error.starts_with("[graph] " + path + ", line 2: no JSON: "));
  BOOST_TEST(error_text([&] {
               static_cast<void>(graph::read(folder / "none.json"));
             }).starts_with("[graph] "));
}

// Whatever is done to the bytes: a graph that check() takes, or an Error.
BOOST_AUTO_TEST_CASE(damaged_text) {
  Rng rng(11);
  int read = 0, refused = 0;
  for (int round = 0; round < 10'000; ++round) {
    std::string text = graph::to_json(random_graph(static_cast<std::uint64_t>(round % 50)));
    for (Index n = rng.below(4) + 1; n > 0; --n) {
      const auto at = static_cast<std::size_t>(rng.below(std::ssize(text)));
      switch (rng.below(5)) {
        case 0:
          text[at] = static_cast<char>(rng.below(256));
          break;
        case 1:
          text.erase(at, static_cast<std::size_t>(rng.below(20)));
          break;
        case 2:
          text.insert(at, any_bytes(rng, 6));
          break;
        case 3:
          text[at] = "0123456789-\"[]{},:eE."[rng.below(21)];
          break;
        default:
          text.insert(at, text.substr(static_cast<std::size_t>(rng.below(std::ssize(text))), 40));
      }
      if (text.empty()) text = " ";
    }
    try {
      const Snapshot s = graph::from_json(text);
      graph::check(s);
      for (const graph::Value& v : s.values) BOOST_REQUIRE(v.bytes() >= 0);
      BOOST_REQUIRE(same(graph::from_json(graph::to_json(s)), s));
      ++read;
    } catch (const Error& e) {
      ++refused;
      const std::string what = e.what();
      BOOST_REQUIRE(what.starts_with("[graph] line "));
      BOOST_REQUIRE(what.size() < 1000);
      BOOST_REQUIRE(is_utf8(what));
    }
  }
  BOOST_TEST(read > 200);
  BOOST_TEST(refused > 5000);
}

BOOST_AUTO_TEST_CASE(deep_nesting) {
  for (const char* open : {"[", "{\"nodes\":", "{\"nodes\":[{\"inputs\":["}) {
    std::string text;
    for (int i = 0; i < 1'000'000; ++i) text += open;
    BOOST_TEST(error_reading(text).starts_with("[graph] line 1: "));
  }
  BOOST_TEST(error_reading(std::string(1'000'000, '9')).starts_with("[graph] line 1: "));
  BOOST_TEST(error_reading("\"" + std::string(1'000'000, 'a')).size() < 1000U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
