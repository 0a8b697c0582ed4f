// gradcheck() and explain() of models: what is taken for one, and what is said where the loss has
// nothing to do with it.
#include <unroll/unroll.h>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"

namespace unroll::test {
namespace {

struct Two : nn::Module {
  Two() { to(f64); }
  nn::Child<nn::Linear> a{*this, "a", {.input = 3, .output = 2}};
  nn::Child<nn::Linear> b{*this, "b", {.input = 3, .output = 2}};
};

Tensor points() { return uniform({4, 3}, -1, 1, f64); }

}  // namespace

BOOST_AUTO_TEST_SUITE(checked_models)

BOOST_AUTO_TEST_CASE(a_list_of_parameters_is_a_model) {
  const Two model;
  const Tensor x = points();
  const auto loss = [&] { return mean(square(model.a(x) * model.b(x))); };
  const ParameterList weights =
      model.parameters().where([](std::string_view path) { return path.ends_with(".W"); });
  const auto report = gradcheck(weights, loss);
  BOOST_TEST(report.ok(), report);
  BOOST_TEST(report.compared() == 12);
  BOOST_TEST((explain(weights, loss).fault == Fault::none));
  const auto of_x = [&](const Tensor& at) { return mean(square(model.a(at) * model.b(at))); };
  const auto with_x = gradcheck(weights, x, of_x);
  BOOST_TEST(with_x.ok(), with_x);
  BOOST_TEST(with_x.compared() == 24);
  BOOST_TEST((explain(weights, x, of_x).fault == Fault::none));
}

BOOST_AUTO_TEST_CASE(a_loss_of_another_model) {
  const Two model;
  const Tensor x = points();
  const std::string text =
      "a loss that depends on no parameter of the model; needed a loss of this model; hint: ";
  const std::string call = "(model, [&] { return mean(square(model(x))); })";
  const auto loss = [&] { return sum(square(model.b(x))); };
  check_throws([&] { return gradcheck(model.a, loss); },
               "[gradcheck] " + text + "gradcheck" + call);
  check_throws([&] { return explain(model.a, loss); }, "[explain] " + text + "explain" + call);
  // Though it depends on what is checked beside the model.
  const auto of_x = [&](const Tensor& at) { return sum(square(model.b(at))); };
  check_throws([&] { return gradcheck(model.a, x, of_x); },
               "[gradcheck] " + text + "gradcheck" + call);
  check_throws([&] { return explain(model.a, x, of_x); }, "[explain] " + text + "explain" + call);
  BOOST_TEST(gradcheck(model.b, x, of_x).ok());
  // One that reads it without a history has a gradient that is missing.
  const auto cut = gradcheck(model.a, [&] { return sum(square(detach(model.a(x)))); });
  BOOST_TEST_REQUIRE(!cut.ok());
  BOOST_TEST((cut.findings()[0].cause == GradcheckCause::missing));
}

BOOST_AUTO_TEST_CASE(frozen_models) {
  Two model;
  model.freeze();
  const Tensor x = points();
  const std::string all =
      "a model of which every parameter is frozen; needed a parameter with a gradient; hint: "
      "model.unfreeze()";
  const auto loss = [&] { return sum(square(model.b(x))); };
  check_throws([&] { return gradcheck(model, loss); }, "[gradcheck] " + all);
  check_throws([&] { return explain(model, loss); }, "[explain] " + all);
  const auto of_x = [&](const Tensor& at) { return sum(square(model.b(at))); };
  BOOST_TEST(gradcheck(model, x, of_x).ok());  // by x alone
  model.a.unfreeze();
  check_throws([&] { return gradcheck(model, loss); },
               "[gradcheck] a loss that depends on frozen parameters alone, or on none of the "
               "model; needed a loss of this model; hint: model.unfreeze()");
}

BOOST_AUTO_TEST_CASE(a_hook_on_a_parameter_is_mentioned) {
  Two model;
  const Tensor x = points();
  const auto loss = [&] { return sum(square(model.a(x))); };
  const HookHandle doubled = model.a.W.on_gradient([](const Tensor& g) { return g * 2.0; });
  const auto report = gradcheck(model.a, loss);
  BOOST_TEST(!report.ok());
  BOOST_TEST(report.text().ends_with("\na hook replaced the gradient of a.W: what it made of it "
                                     "was compared"),
             report);
  const Explanation e = explain(model.a, loss);
  BOOST_TEST((e.fault == Fault::elsewhere), e);
  BOOST_TEST(e.remark == "a hook replaced the gradient of a.W; wrong for a.W");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
