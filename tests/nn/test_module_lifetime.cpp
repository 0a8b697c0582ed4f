// How long modules, their parameters and their places in a parent last.
#include <memory>
#include <optional>

#include <boost/test/unit_test.hpp>

#include "nn/nested_modules.h"

namespace unroll::test {
namespace {

static_assert(!std::is_copy_constructible_v<Outer> && !std::is_copy_assignable_v<Outer>);
static_assert(!std::is_move_constructible_v<Outer> && !std::is_move_assignable_v<Outer>);
static_assert(!std::is_copy_constructible_v<nn::LSTM> && !std::is_move_constructible_v<nn::LSTM>);
static_assert(!std::is_copy_constructible_v<nn::Child<Inner>> &&
              !std::is_move_constructible_v<nn::Child<Inner>>);
static_assert(!std::is_copy_constructible_v<nn::Parameter> &&
              !std::is_move_constructible_v<nn::Parameter>);
static_assert(!std::is_copy_constructible_v<nn::List<Inner>> &&
              !std::is_move_constructible_v<nn::List<Inner>>);
static_assert(!std::is_assignable_v<nn::Parameter&, Tensor> &&
              !std::is_assignable_v<nn::Parameter&, nn::Parameter&>);
template <class P>
concept Grows = requires(P& p, Tensor x) {
  p += x;
}
|| requires(P& p) { p *= 2.0; };
static_assert(!Grows<nn::Parameter> && Grows<Tensor>);

}  // namespace

BOOST_AUTO_TEST_SUITE(module_lifetime)

BOOST_AUTO_TEST_CASE(the_model_dies_first) {
  Tensor w;
  ParameterList list;
  Gradients grads;
  {
    auto model = std::make_unique<Outer>(Outer::Options{});
    model->left.W.assign(full({2, 3}, 5));
    w = model->left.W;
    list = model->parameters();
    Tape tape;
    grads = tape.backward(sum(w));
  }
  BOOST_TEST(all_equal(w, full({2, 3}, 5)));
  BOOST_TEST(list.size() == 5);
  BOOST_TEST(all_equal(grads[w], ones({2, 3})));
  BOOST_TEST(grads.begin()->path == "left.W");
  Tape tape;  // still a leaf, with the path that it had
  const auto again = tape.backward(sum(w * w));
  BOOST_TEST(again.begin()->path == "left.W");
  BOOST_TEST(all_equal(again[w], full({2, 3}, 10)));
}

BOOST_AUTO_TEST_CASE(the_model_dies_under_its_tape) {
  Tape tape;
  Tensor loss;
  {
    nn::Linear layer({.input = 2, .output = 1, .bias = false});
    unroll::detail::overwrite(layer.W, full({2, 1}, 3), "test");
    loss = sum(layer(tape.watch(ones({1, 2}))));
  }
  const auto grads = tape.backward(loss);
  BOOST_TEST(grads.begin()->path == "W");
  BOOST_TEST(all_equal(grads.begin()->dense, ones({2, 1})));
}

// A parent that throws half way leaves nothing behind; a child that dies leaves its parent.
BOOST_AUTO_TEST_CASE(children_come_and_go) {
  struct Grown : nn::Module {
    void take(nn::Module& child, std::string name) { adopt(child, std::move(name)); }
  };
  Grown parent;
  {
    Inner child({});
    parent.take(child, "child");
    BOOST_TEST(parent.parameters().size() == 2);
    BOOST_TEST(child.W.path() == "child.W");
    Grown other;
    BOOST_CHECK_THROW(other.take(child, "mine"), Error);  // has a parent
    BOOST_CHECK_THROW(other.take(other, "self"), Error);
    BOOST_TEST(child.parent() == &parent);
  }
  BOOST_TEST(parent.parameters().size() == 0);
  BOOST_TEST(parent.children().size() == 0U);
  auto short_lived = std::make_unique<Grown>();
  Inner child({});
  short_lived->take(child, "child");
  short_lived.reset();
  BOOST_TEST(child.W.path() == "child.W");
}

BOOST_AUTO_TEST_CASE(optional_parameters_and_factories) {
  const auto make = [] { return nn::Linear({.input = 2, .output = 3}); };
  nn::Linear layer = make();
  BOOST_TEST(layer.b->path() == "b");
  std::optional<nn::GRU> later;
  later.emplace(nn::GRU::Options{.input = 1, .hidden = 2});
  BOOST_TEST(later->parameters().size() == 3);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
