#include <cmath>

#include <boost/test/unit_test.hpp>

#include "optim/model.h"
#include "support/error_text.h"

namespace unroll::test {
namespace {

BOOST_AUTO_TEST_SUITE(groups)

BOOST_AUTO_TEST_CASE(each_group_has_its_own_options) {
  Model model{{"W", ones({2})}, {"b", ones({2})}};
  const auto is_bias = [](std::string_view path) { return path == "b"; };
  optim::SGD sgd(model.parameters().where([&](std::string_view p) { return !is_bias(p); }),
                 {.lr = 0.5, .weight_decay = 1});
  sgd.add(model.parameters().where(is_bias), {.lr = 0.25});
  sgd.step(gradients(gradient_of(model[0], ones({2})), gradient_of(model[1], ones({2}))));
  BOOST_TEST(all_equal(model[0], zeros({2})).ok());
  BOOST_TEST(all_equal(model[1], full({2}, 0.75)).ok());
}

BOOST_AUTO_TEST_CASE(a_rate_acts_on_all_groups_by_a_factor) {
  Model model{{"a", zeros({1}, f64)}, {"b", zeros({1}, f64)}};
  const std::vector<Tensor> first{model[0]}, second{model[1]};
  optim::SGD sgd(first, {.lr = 0.1});
  sgd.add(second, {.lr = 0.01});
  BOOST_TEST(sgd.lr() == 0.1);
  sgd.set_lr(0.3);
  BOOST_TEST(sgd.lr() == 0.3);
  const Gradients g =
      gradients(gradient_of(model[0], ones({1}, f64)), gradient_of(model[1], ones({1}, f64)));
  sgd.step(g);
  BOOST_TEST(model[0].item() == -0.3);
  BOOST_TEST(std::abs(model[1].item() + 0.03) < 1e-17);
  sgd.set_lr(0);
  sgd.step(g);
  BOOST_TEST(model[0].item() == -0.3);
  sgd.set_lr(0.1);
  sgd.step(g);
  BOOST_TEST(std::abs(model[1].item() + 0.04) < 1e-17);
}

BOOST_AUTO_TEST_CASE(a_schedule_acts_on_all_groups) {
  Model model{{"a", zeros({1}, f64)}, {"b", zeros({1}, f64)}};
  optim::SGD sgd(std::vector<Tensor>{model[0]}, {.lr = 0.4});
  sgd.add(std::vector<Tensor>{model[1]}, {.lr = 0.1});
  const auto schedule = optim::multi_step({.lr = 0.4, .at = {2}, .factor = 0.5});
  const Gradients g =
      gradients(gradient_of(model[0], ones({1}, f64)), gradient_of(model[1], ones({1}, f64)));
  for (int i = 0; i < 3; ++i) {
    sgd.set_lr(schedule.at(sgd.steps()));
    sgd.step(g);
  }
  BOOST_TEST(std::abs(model[0].item() + 1.0) < 1e-15);
  BOOST_TEST(std::abs(model[1].item() + 0.25) < 1e-15);
  optim::Plateau plateau({.lr = sgd.lr(), .factor = 0.5, .patience = 0});
  for (const double metric : {1.0, 2.0}) sgd.set_lr(plateau.observe(metric));
  sgd.step(g);
  BOOST_TEST(std::abs(model[0].item() + 1.1) < 1e-15);
  BOOST_TEST(std::abs(model[1].item() + 0.275) < 1e-15);
}

BOOST_AUTO_TEST_CASE(a_parameter_twice_is_refused) {
  Model model{{"W", ones({2})}, {"b", ones({2})}};
  optim::Adam adam(std::vector<Tensor>{model[0]});
  BOOST_TEST(error_text([&] { adam.add(model.parameters()); }) ==
             "[adam] W f32 [2] is in group 0 already; needed each parameter once; hint: "
             "model.parameters().where(…) chooses by path");
  BOOST_TEST(!adam.holds(model[1]));
  const std::vector<Tensor> twice{model[1], model[1]};
  BOOST_TEST(
      error_text([&] { adam.add(twice); }).starts_with("[adam] b f32 [2] is in group 1 already"));
  adam.add(std::vector<Tensor>{model[1]});
  BOOST_TEST(adam.holds(model[1]));
}

BOOST_AUTO_TEST_CASE(only_parameters_are_taken) {
  BOOST_TEST(error_text([] { optim::Adam adam(std::vector<Tensor>{}); }) ==
             "[adam] no parameters; needed at least one; hint: model.parameters()");
  BOOST_TEST(error_text([] { optim::SGD sgd(std::vector<Tensor>{ones({2})}); }) ==
             "[sgd] f32 [2] is not a parameter; needed parameters of modules; "
             "hint: model.parameters(), or std::array<Tensor, 2>{model.W, model.b}");
  BOOST_TEST(error_text([] {
               optim::SGD sgd(std::vector<Tensor>{Tensor{}});
             }).starts_with("[sgd] a parameter is undefined"));
}

BOOST_AUTO_TEST_CASE(options_out_of_range) {
  Model model{{"a", ones({1})}};
  const auto p = model.parameters();
  BOOST_TEST(error_text([&] { optim::SGD sgd(p, {.lr = 0}); }) == "[sgd] lr is 0; needed lr > 0");
  BOOST_TEST(error_text([&] { optim::SGD sgd(p, {.lr = NAN}); }) ==
             "[sgd] lr is nan; needed lr > 0");
  BOOST_TEST(error_text([&] { optim::SGD sgd(p, {.momentum = 1}); }) ==
             "[sgd] momentum is 1; needed 0 <= momentum < 1");
  BOOST_TEST(error_text([&] { optim::SGD sgd(p, {.nesterov = true}); }) ==
             "[sgd] momentum is 0; needed momentum > 0 with nesterov");
  BOOST_TEST(error_text([&] { optim::SGD sgd(p, {.weight_decay = -1}); }) ==
             "[sgd] weight_decay is -1; needed weight_decay >= 0");
  BOOST_TEST(error_text([&] { optim::Adam adam(p, {.beta1 = 1}); }) ==
             "[adam] beta1 is 1; needed 0 <= beta1 < 1");
  BOOST_TEST(error_text([&] { optim::AdamW adam(p, {.beta2 = -0.5}); }) ==
             "[adamw] beta2 is -0.5; needed 0 <= beta2 < 1");
  BOOST_TEST(error_text([&] { optim::AdamW adam(p, {.epsilon = 0}); }) ==
             "[adamw] epsilon is 0; needed epsilon > 0");
  BOOST_TEST(error_text([&] { optim::SGD sgd(p, {.dampening = 0.5}); }) ==
             "[sgd] momentum is 0; needed momentum > 0 with dampening");
  BOOST_TEST(error_text([&] { optim::SGD sgd(p, {.momentum = 0.5, .dampening = 1}); }) ==
             "[sgd] dampening is 1; needed 0 <= dampening < 1");
  BOOST_TEST(error_text([&] {
               optim::SGD sgd(p, {.momentum = 0.5, .dampening = 0.5, .nesterov = true});
             }) == "[sgd] dampening is 0.5; needed no dampening with nesterov");
  BOOST_TEST(error_text([&] { optim::NAdam nadam(p, {.beta1 = 1}); }) ==
             "[nadam] beta1 is 1; needed 0 <= beta1 < 1");
  BOOST_TEST(error_text([&] { optim::NAdam nadam(p, {.momentum_decay = -1}); }) ==
             "[nadam] momentum_decay is -1; needed momentum_decay >= 0");
  BOOST_TEST(error_text([&] { optim::RAdam radam(p, {.beta2 = 1}); }) ==
             "[radam] beta2 is 1; needed 0 <= beta2 < 1");
  BOOST_TEST(error_text([&] { optim::Adamax adamax(p, {.epsilon = 0}); }) ==
             "[adamax] epsilon is 0; needed epsilon > 0");
  BOOST_TEST(error_text([&] { optim::RMSprop rmsprop(p, {.alpha = 1}); }) ==
             "[rmsprop] alpha is 1; needed 0 <= alpha < 1");
  BOOST_TEST(error_text([&] { optim::RMSprop rmsprop(p, {.momentum = -1}); }) ==
             "[rmsprop] momentum is -1; needed 0 <= momentum < 1");
  BOOST_TEST(error_text([&] { optim::RMSprop rmsprop(p, {.epsilon = 0}); }) ==
             "[rmsprop] epsilon is 0; needed epsilon > 0");
  BOOST_TEST(error_text([&] { optim::Adagrad adagrad(p, {.lr_decay = -1}); }) ==
             "[adagrad] lr_decay is -1; needed lr_decay >= 0");
  BOOST_TEST(error_text([&] { optim::Adagrad adagrad(p, {.initial = NAN}); }) ==
             "[adagrad] initial is nan; needed initial >= 0");
  BOOST_TEST(error_text([&] { optim::Adadelta adadelta(p, {.rho = 1}); }) ==
             "[adadelta] rho is 1; needed 0 <= rho < 1");
  BOOST_TEST(error_text([&] { optim::Adadelta adadelta(p, {.weight_decay = -1}); }) ==
             "[adadelta] weight_decay is -1; needed weight_decay >= 0");
  BOOST_TEST(error_text([&] { optim::Lion lion(p, {.beta2 = 1}); }) ==
             "[lion] beta2 is 1; needed 0 <= beta2 < 1");
  BOOST_TEST(error_text([&] { optim::Lion lion(p, {.weight_decay = -1}); }) ==
             "[lion] weight_decay is -1; needed weight_decay >= 0");
  optim::SGD sgd(p);
  BOOST_TEST(error_text([&] { sgd.set_lr(-1); }) == "[sgd] lr is -1; needed lr >= 0");
  BOOST_TEST(error_text([&] { sgd.step({}, {.clip_norm = -1}); }) ==
             "[sgd] clip_norm is -1; needed clip_norm >= 0");
  BOOST_TEST(error_text([&] { sgd.step({}, {.clip_value = NAN}); }) ==
             "[sgd] clip_value is nan; needed clip_value >= 0");
  BOOST_TEST(error_text([&] { sgd.step({}, {.clip_norm = 1, .clip_value = 1}); }) ==
             "[sgd] both clip_norm and clip_value; needed one of them; "
             "hint: optim::clip_value(grads, 1), then step(grads, {.clip_norm = 5})");
  BOOST_TEST(sgd.steps() == 0);
}

BOOST_AUTO_TEST_CASE(covering_a_model) {
  Model model{{"W", ones({2, 3})}, {"b", ones({3})}, {"g", ones({3})}};
  optim::Adam adam(std::vector<Tensor>{model[0]});
  BOOST_TEST(error_text([&] { optim::check_covers(model, adam); }) ==
             "[check_covers] 2 parameters are in no group: b f32 [3], g f32 [3]; needed every "
             "parameter in a group, or frozen; "
             "hint: optimizer.add(model.head.parameters(), {.lr = 1e-3}), or model.head.freeze()");
  model[2].freeze();
  BOOST_TEST(error_text([&] {
               optim::check_covers(model.parameters(), adam);
             }).starts_with("[check_covers] 1 parameter is in no group: b f32 [3]; needed"));
  adam.add(std::vector<Tensor>{model[1]});
  optim::check_covers(model, adam);
}

BOOST_AUTO_TEST_CASE(description) {
  Model model{{"W", ones({2, 3})}, {"b", ones({3})}};
  optim::Adam adam(std::vector<Tensor>{model[0]}, {.lr = 0.002});
  adam.add(std::vector<Tensor>{model[1]}, {.lr = 0.001, .sparse = optim::Sparse::lazy});
  adam.set_lr(0.004);
  adam.step({});
  model[1].freeze();
  BOOST_TEST(adam.describe() ==
             "adam  2 parameters, 1 steps\n"
             "  group 0  lr 0.004, beta1 0.9, beta2 0.999, epsilon 1e-08, weight_decay 0  1 "
             "parameters, 6 elements\n"
             "    W f32 [2, 3]\n"
             "  group 1  lr 0.002, beta1 0.9, beta2 0.999, epsilon 1e-08, weight_decay 0, sparse "
             "lazy  1 parameters, 3 elements\n"
             "    b f32 [3]  frozen\n");
  optim::SGD sgd(model.parameters(), {.momentum = 0.9, .nesterov = true});
  const auto options_of = [](const std::string& text) {
    const auto from = text.find("lr "), to = text.find("  2 parameters, 9", from);
    return text.substr(from, to - from);
  };
  using optim::Sparse;
  const auto p = model.parameters();
  BOOST_TEST(options_of(optim::SGD(p, {.momentum = 0.5, .dampening = 0.1}).describe()) ==
             "lr 0.01, momentum 0.5, dampening 0.1, weight_decay 0");
  BOOST_TEST(options_of(optim::AdamW(p, {.amsgrad = true}).describe()) ==
             "lr 0.001, beta1 0.9, beta2 0.999, epsilon 1e-08, weight_decay 0.01, amsgrad");
  BOOST_TEST(options_of(optim::NAdam(p).describe()) ==
             "lr 0.002, momentum_decay 0.004, beta1 0.9, beta2 0.999, epsilon 1e-08, "
             "weight_decay 0");
  BOOST_TEST(
      options_of(optim::RMSprop(p, {.centred = true, .sparse = Sparse::lazy}).describe()) ==
      "lr 0.01, alpha 0.99, epsilon 1e-08, momentum 0, weight_decay 0, centred, sparse lazy");
  BOOST_TEST(options_of(optim::Adagrad(p).describe()) ==
             "lr 0.01, lr_decay 0, epsilon 1e-10, initial 0, weight_decay 0");
  BOOST_TEST(options_of(optim::Adadelta(p).describe()) ==
             "lr 1, rho 0.9, epsilon 1e-06, weight_decay 0");
  BOOST_TEST(options_of(optim::Lion(p).describe()) ==
             "lr 0.0001, beta1 0.9, beta2 0.99, weight_decay 0");
  BOOST_TEST(sgd.describe().starts_with(
      "sgd  2 parameters, 0 steps\n"
      "  group 0  lr 0.01, momentum 0.9, nesterov, weight_decay 0  2 parameters, 9 elements\n"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace unroll::test
