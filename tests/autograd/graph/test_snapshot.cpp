// The recorded graph as plain data: what each field says, before and after backward.
#include <unroll/autograd/backward.h>
#include <unroll/autograd/scope.h>
#include <unroll/unroll.h>

#include <cmath>
#include <functional>

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "support/error_text.h"
#include "support/leaves.h"
#include "support/source_tree.h"
#include "support/temporary_folder.h"

namespace unroll::test {
namespace {

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

}  // namespace

BOOST_AUTO_TEST_SUITE(snapshots)

BOOST_AUTO_TEST_CASE(json_of_one_expression) {
  BOOST_TEST(graph::to_json(record_expression()) ==
             read_file(source_tree("tests/golden/expression.json")));
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
  BOOST_TEST(!json.at("nodes")[8].contains("step"));
  BOOST_TEST(json.at("loss") == json.at("nodes")[12].at("outputs")[0]);
  int parameters = 0;
  for (const auto& value : json.at("values")) parameters += value.value("parameter", false) ? 1 : 0;
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

// A gradient that is recorded is of the next order, where it belongs to is told by what it is of.
BOOST_AUTO_TEST_CASE(orders) {
  const Tensor p = make_parameter(tensor({1.0, 2.0}), "p");
  const auto module = [](const void*) { return std::string("m"); };
  Tape tape;
  const auto count = [&](int order) {
    const auto s = tape.snapshot();
    return std::count_if(s.nodes.begin(), s.nodes.end(),
                         [&](const graph::Node& n) { return n.order == order; });
  };
  Tensor y;
  {
    const detail::ScopeFrame inner(nullptr, module, -1);
    const detail::ScopeFrame step(nullptr, nullptr, 7);
    y = sum(p * p * p);
  }
  const Index own = tape.nodes();
  const Tensor g = tape.gradient(y, p, {.differentiable = true});
  const Index first = tape.nodes();
  BOOST_TEST(count(0) == own);
  BOOST_TEST(count(1) == first - own);
  BOOST_TEST(first > own);
  for (const graph::Node& n : tape.snapshot().nodes) {
    BOOST_TEST(n.path == "m");
    BOOST_TEST(n.step == 7);
  }
  const Tensor z = sum(g * g);  // the program's own again
  BOOST_TEST(count(0) == own + 2);
  BOOST_TEST(tape.snapshot().nodes.back().path == "");
  // Of the program's own part that both share, too: all that one gradient records is of one order.
  static_cast<void>(tape.gradient(z + y, p, {.differentiable = true}));
  BOOST_TEST(count(0) == own + 3);
  BOOST_TEST(count(1) == first - own);
  BOOST_TEST(count(2) == tape.nodes() - first - 3);
  BOOST_TEST(count(2) > 0);
  // One that does not depend on it is of the first.
  const Tensor other = exp(p);
  static_cast<void>(tape.gradient(sum(other), p, {.differentiable = true}));
  BOOST_TEST(count(1) > first - own);
  BOOST_TEST(count(3) == 0);
  const auto before = tape.snapshot();
  static_cast<void>(tape.backward(z));
  BOOST_TEST(graph::to_json(tape.snapshot()).size() > 0U);
  for (std::size_t n = 0; n < before.nodes.size(); ++n)
    BOOST_TEST(tape.snapshot().nodes[n].order == before.nodes[n].order);
}

BOOST_AUTO_TEST_CASE(what_is_taken_back_leaves_nothing) {
  const Operation failing{.name = "failing",
                          .derivative = [](Backward&) { throw std::runtime_error("no"); }};
  const Tensor p = make_parameter(tensor({1.0, 2.0}), "p");
  Tape tape({.statistics = true, .timings = true});
  const Tensor x = detail::record(failing, {&p}, p * 1.0);
  const Tensor y = sum(square(x));
  const std::string before = graph::to_json(tape.snapshot());
  tape.on_gradient(square(x), [](const Tensor&) {});
  BOOST_CHECK_THROW(static_cast<void>(tape.gradient(y, p, {.differentiable = true})),
                    std::runtime_error);
  graph::Snapshot s = tape.snapshot();
  s.nodes.resize(4);
  BOOST_TEST(s.nodes[2].seconds.has_value());
  static_cast<void>(tanh(p));
  s = tape.snapshot();
  BOOST_TEST(s.nodes.back().operation == "tanh");
  BOOST_TEST(s.nodes.back().order == 0);
  BOOST_TEST(std::abs(s.values.back().statistics->most - std::tanh(2.0)) < 1e-6);
  BOOST_TEST(!s.nodes.back().backward_seconds.has_value());
  BOOST_CHECK_NO_THROW(graph::check(s));
}

BOOST_AUTO_TEST_CASE(saved_bytes_are_those_of_the_report) {
  const Tensor W = make_parameter(ones({30, 30}), "W");
  const auto saved = [](const Tape& tape) {
    Index bytes = 0;
    for (const graph::Node& n : tape.snapshot().nodes) bytes += n.saved_bytes;
    return bytes;
  };
  Tape tape;
  const Tensor x = tape.watch(ones({20, 30}));
  Tensor y = tanh(matmul(x * 2.0, W));
  y = recompute([&](const Tensor& a) { return tanh(matmul(tanh(a), W)); }, y);
  const Tensor loss = sum(y * y);
  BOOST_TEST(saved(tape) > 0);
  BOOST_TEST(saved(tape) == tape.report().saved_bytes);
  static_cast<void>(tape.backward(loss));
  BOOST_TEST(saved(tape) > 0);
  BOOST_TEST(saved(tape) == tape.report().saved_bytes);
}

BOOST_AUTO_TEST_CASE(views_take_no_memory_of_their_own) {
  Tape tape;
  const Tensor x = tape.watch(ones({4, 6}, f64));
  const Tensor parts[] = {transpose(x, 0, 1), reshape(x, {24}), x * 2.0, concat({x, x}, 0)};
  const graph::Snapshot s = tape.snapshot();
  std::string views;
  for (const graph::Node& n : s.nodes)
    for (const Index v : n.outputs) {
      const graph::Value& value = s.values[static_cast<std::size_t>(v)];
      BOOST_TEST(graph::own_bytes(s, value) == (n.view ? 0 : value.bytes()));
      if (n.view) views += n.operation + " ";
    }
  BOOST_TEST(views == "transpose reshape ");
  BOOST_TEST(graph::own_bytes(s, s.values[0]) == 4 * 6 * 8);  // a leaf
}

BOOST_AUTO_TEST_CASE(parameters_that_are_never_read) {
  const Tensor p = make_parameter(ones({2}), "p"), q = make_parameter(ones({3, 4}), "q"),
               r = make_parameter(ones({5}), "r");
  freeze(r);
  const std::vector<Tensor> all{p, q, r, q};
  Tape tape;
  static_cast<void>(sum(p));
  for (const bool closed : {false, true}) {
    if (closed) static_cast<void>(tape.backward(sum(p * p)));
    const std::size_t recorded = tape.snapshot().values.size();
    const graph::Snapshot s = tape.snapshot({.parameters = all});
    BOOST_CHECK_NO_THROW(graph::check(s));
    BOOST_REQUIRE(s.values.size() == recorded + 1);
    BOOST_TEST(s.values.back().name == "q");
    BOOST_TEST(s.values.back().shape == (Shape{3, 4}));
    BOOST_TEST(s.values.back().parameter);
    BOOST_TEST(s.values.back().node == -1);
  }
  const std::vector<Tensor> wrong{p, ones({2})};
  BOOST_TEST(error_text([&] { static_cast<void>(tape.snapshot({.parameters = wrong})); }) ==
             "[snapshot] parameters[1] f32 [2] is not a parameter; needed parameters of modules; "
             "hint: {.parameters = model.parameters()}");
  nn::Linear linear({.input = 2, .output = 3});
  Tape other;
  BOOST_TEST(other.snapshot({.parameters = linear.parameters()}).values.size() == 2U);
}

BOOST_AUTO_TEST_CASE(checking) {
  const graph::Snapshot right = record_expression();
  BOOST_CHECK_NO_THROW(graph::check(right));
  const auto error_with = [&](auto change) {
    graph::Snapshot wrong = right;
    change(wrong);
    return error_text([&] { graph::check(wrong); });
  };
  const std::pair<std::function<void(graph::Snapshot&)>, const char*> cases[] = {
      {[](auto& s) { s.nodes[2].inputs[0] = 99; },
       "[graph] node 2 reads value 99; needed -1 or one of 17 values"},
      {[](auto& s) { s.nodes[2].inputs[0] = -2; },
       "[graph] node 2 reads value -2; needed -1 or one of 17 values"},
      {[](auto& s) { s.nodes[2].inputs[0] = 5; },
       "[graph] node 2 reads value 5 of node 2; needed a value that is made before"},
      {[](auto& s) { s.nodes[2].outputs[0] = 17; },
       "[graph] node 2 makes value 17; needed one of 17 values"},
      {[](auto& s) { s.nodes[2].outputs[0] = 6; },
       "[graph] node 2 makes value 6, whose node is 3; needed the same in both"},
      {[](auto& s) { std::swap(s.nodes[10].outputs[0], s.nodes[10].outputs[1]); },
       "[graph] node 10 makes value 13 after value 14; needed values in ascending order"},
      {[](auto& s) { s.nodes[10].outputs.pop_back(); },
       "[graph] value 14, whose node is 10; needed it among the outputs of that node"},
      {[](auto& s) { s.values[0].node = 13; },
       "[graph] node 0 reads value 0 of node 13; needed a value that is made before"},
      {[](auto& s) { s.values.push_back({.node = 13}); },
       "[graph] value 17, whose node is 13; needed -1 or one of 13 nodes"},
      {[](auto& s) { s.loss = 17; },
       "[graph] the loss is value 17; needed -1 or one of 17 values"}};
  for (const auto& [change, expected] : cases) BOOST_TEST(error_with(change) == expected);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
