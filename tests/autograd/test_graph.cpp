// The recorded graph as data, and as text.
#include <unroll/autograd/scope.h>

#include <cstdlib>
#include <string>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "support/error_text.h"
#include "support/leaves.h"
#include "support/numeric.h"
#include "support/source_tree.h"
#include "support/temporary_folder.h"

namespace unroll::test {
namespace {

std::string golden(const std::string& name) {
  return read_file(source_tree("tests/golden/" + name));
}

// A cell of two steps, in modules and time steps, with a constant, a repeated operand and several
// results.
graph::Snapshot record_expression() {
  const Tensor W = make_parameter(ones({3, 3}), "rnn.Wh"),
               b = make_parameter(ones({3}, f32), "rnn.b");
  const auto rnn = [](const void*) { return std::string("rnn"); };
  const auto cell = [](const void*) { return std::string("rnn.cell"); };
  Tape tape;
  const Tensor x = tape.watch(ones({2, 2, 3}));
  tape.name(x, "features");
  const detail::ScopeFrame outer(nullptr, rnn, -1);
  Tensor h = zeros({2, 3});
  for (Index t = 0; t < 2; ++t) {
    const detail::ScopeFrame inner(nullptr, cell, -1);
    const detail::ScopeFrame step(nullptr, nullptr, t);
    h = tanh(affine(select(x, 0, t) + h, W, b));
  }
  const auto [left, right] = split<2>(concat({h, h * h}, -1), -1);
  const Tensor loss = sum(left * right);
  tape.name(loss, "loss");
  static_cast<void>(tape.backward(loss));
  return tape.snapshot();  // structure outlives the history
}

bool has_dot() { return std::system("dot -V > /dev/null 2>&1") == 0; }

bool dot_reads(const std::string& text) {
  const TemporaryFolder folder;
  write_file(folder / "graph.dot", text);
  return std::system(("dot -Tdot \"" + (folder / "graph.dot") + "\" > /dev/null 2>&1").c_str()) ==
         0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(graphs)

BOOST_AUTO_TEST_CASE(dot_of_one_expression) {
  BOOST_TEST(graph::to_dot(record_expression()) == golden("expression.dot"));
}

BOOST_AUTO_TEST_CASE(json_of_one_expression) {
  BOOST_TEST(graph::to_json(record_expression()) == golden("expression.json"));
}

BOOST_AUTO_TEST_CASE(json_says_what_was_recorded) {
  const auto json = nlohmann::json::parse(graph::to_json(record_expression()));
  std::string operations;
  for (const auto& node : json.at("nodes"))
    operations += node.at("operation").get<std::string>() + " ";
  BOOST_TEST(operations ==
             "select add affine tanh select add affine tanh mul concat split mul sum ");
  BOOST_TEST(json.at("nodes")[1].at("inputs")[1] == -1);  // the initial state is a constant
  BOOST_TEST(json.at("nodes")[5].at("inputs")[1] != -1);
  BOOST_TEST(json.at("nodes")[2].at("path") == "rnn.cell");
  BOOST_TEST(json.at("nodes")[2].at("step") == 0);
  BOOST_TEST(json.at("nodes")[6].at("step") == 1);
  BOOST_TEST(json.at("nodes")[8].at("path") == "rnn");
  BOOST_TEST(json.at("nodes")[8].at("step") == -1);
  int parameters = 0;
  for (const auto& value : json.at("values"))
    parameters += value.at("parameter").get<bool>() ? 1 : 0;
  BOOST_TEST(parameters == 2);
}

BOOST_AUTO_TEST_CASE(snapshots_are_plain_data) {
  graph::Snapshot kept;
  {
    const Tensor p = make_parameter(ones({2}), "p");
    Tape tape;
    static_cast<void>(tanh(p));
    kept = tape.snapshot();
    static_cast<void>(exp(p));
    BOOST_TEST(tape.snapshot().nodes.size() == 2U);
  }
  BOOST_REQUIRE(kept.nodes.size() == 1U);
  BOOST_TEST(kept.nodes[0].operation == "tanh");
  BOOST_TEST(kept.values[0].name == "p");
  BOOST_TEST(kept.values[1].shape == (Shape{2}));
  Tape empty;
  BOOST_TEST(empty.snapshot().nodes.empty());
}

BOOST_AUTO_TEST_CASE(writing_files) {
  const TemporaryFolder folder;
  const auto snapshot = record_expression();
  graph::write(folder / "a.dot", snapshot);
  graph::write(folder / "a.json", snapshot);
  BOOST_TEST(read_file(folder / "a.dot") == graph::to_dot(snapshot));
  BOOST_TEST(read_file(folder / "a.json") == graph::to_json(snapshot));
  BOOST_TEST(error_text([&] {
               graph::write("graph.svg", snapshot);
             }).starts_with("[graph] file \"graph.svg\"; needed "));
  BOOST_CHECK_THROW(graph::write(folder / "none/a.dot", snapshot), Error);
}

// Names are the users': any bytes, and paths of any form.
BOOST_AUTO_TEST_CASE(any_name_can_be_read_by_graphviz) {
  if (!has_dot()) {
    BOOST_TEST_MESSAGE("Graphviz is not here: nothing was checked");
    return;
  }
  Rng rng(8);
  for (int round = 0; round < 12; ++round) {
    graph::Snapshot s;
    for (Index v = 0; v < 12; ++v) {
      const auto text = [&] {
        std::string bytes;
        for (Index n = rng.below(round == 0 ? 20'000 : 30); n > 0; --n)
          bytes += static_cast<char>(rng.below(round % 2 == 0 ? 256 : 128));
        return bytes;
      };
      s.values.push_back({.shape = {2},
                          .node = v < 6 ? Index{-1} : v - 6,
                          .name = text(),
                          .parameter = v % 2 == 0});
      if (v >= 6)
        s.nodes.push_back({.operation = text(),
                           .path = text(),
                           .step = v,
                           .inputs = {v - 6, -1},
                           .outputs = {v}});
    }
    BOOST_TEST(dot_reads(graph::to_dot(s)));
    BOOST_TEST(nlohmann::json::accept(graph::to_json(s)));
  }
  for (const std::string name : {"\\", "\"", "\\\"", "a\\nb", "<b>", "\n", "{|}", "..", ".", "a..b",
                                 "\xff\xfe", "]", "\\N"}) {
    graph::Snapshot s;
    s.values.push_back({.name = name});
    s.values.push_back({.node = 0, .name = name});
    s.values.push_back({.node = 1});
    s.nodes.push_back({.operation = name, .path = name, .inputs = {0}, .outputs = {1}});
    s.nodes.push_back({.operation = name, .path = name + ".x", .inputs = {1, 1}, .outputs = {2}});
    BOOST_TEST_CONTEXT(name) BOOST_TEST(dot_reads(graph::to_dot(s)));
  }
}

BOOST_AUTO_TEST_CASE(names_must_be_on_the_tape) {
  Tape tape;
  BOOST_TEST(error_text([&] { tape.name(ones({2}), "x"); }) ==
             "[name] x f32 [2] is not on this tape; needed a tensor recorded on it");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
