#include <cmath>
#include <limits>

#include <boost/test/unit_test.hpp>

#include "optim/model.h"
#include "support/error_text.h"

// What every optimiser promises about a step.
namespace unroll::test {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();

// Everything that a step may change.
struct Picture {
  std::vector<Tensor> parameters;
  std::vector<std::uint32_t> versions;
  std::vector<optim::StateEntry> state;
};
Picture picture_of(const nn::Module& model, const optim::Optimizer& optimizer) {
  Picture picture{.parameters = {}, .versions = {}, .state = optimizer.state()};
  for (const auto& [path, p] : model.parameters()) {
    picture.parameters.push_back(copy_of(p));
    picture.versions.push_back(p.header()->version);
  }
  return picture;
}
void check_same(const Picture& a, const Picture& b) {
  BOOST_TEST(a.versions == b.versions, boost::test_tools::per_element());
  for (std::size_t i = 0; i < a.parameters.size(); ++i)
    BOOST_TEST(all_equal(a.parameters[i], b.parameters[i]).ok());
  BOOST_REQUIRE_EQUAL(a.state.size(), b.state.size());
  for (std::size_t i = 0; i < a.state.size(); ++i) {
    BOOST_TEST(a.state[i].name == b.state[i].name);
    BOOST_TEST(all_equal(a.state[i].tensor, b.state[i].tensor).ok());
  }
}

BOOST_AUTO_TEST_SUITE(optimizer)

BOOST_AUTO_TEST_CASE(a_gradient_that_is_not_finite_changes_nothing) {
  Model model{{"a", tensor({1.0, 2.0})}, {"b", ones({2, 3})}};
  optim::Adam adam(model.parameters());
  adam.step(gradients(gradient_of(model[0], ones({2})), gradient_of(model[1], ones({2, 3}))));
  const Picture before = picture_of(model, adam);
  const auto text_with = [&](const Tensor& last) {
    return error_text([&] {
      adam.step(gradients(gradient_of(model[0], ones({2})), gradient_of(model[1], last)),
                {.clip_norm = 1});
    });
  };
  const std::string rest =
      "; needed finite values; nothing was changed; hint: Tape tape({.check_finite = true}) finds "
      "where it began";
  BOOST_TEST(text_with(tensor({{1.0, 1.0, 1.0}, {nan, 1.0, nan}})) ==
             "[adam] gradient of b f32 [2, 3] has 2 NaN, first at [1, 0]" + rest);
  BOOST_TEST(text_with(tensor({{1.0, 1.0, -infinity}, {1.0, 1.0, 1.0}})) ==
             "[adam] gradient of b f32 [2, 3] has 1 infinite, first at [0, 2]" + rest);
  check_same(before, picture_of(model, adam));
  BOOST_TEST(adam.steps() == 1);
}

BOOST_AUTO_TEST_CASE(a_norm_beyond_f64_changes_nothing) {
  Model model{{"a", tensor({1.0, 2.0}, f64)}};
  optim::SGD sgd(model.parameters());
  const Picture before = picture_of(model, sgd);
  BOOST_TEST(error_text([&] {
               sgd.step(gradients(gradient_of(model[0], tensor({1.7e308, 1.7e308}, f64))));
             }) ==
             "[sgd] norm of finite gradients is beyond the range of f64; needed finite values; "
             "nothing was changed; "
             "hint: smaller weights, or a smaller loss");
  check_same(before, picture_of(model, sgd));
}

BOOST_AUTO_TEST_CASE(a_parameter_without_a_gradient_is_left_alone) {
  Model model{{"a", ones({3})}, {"b", ones({3})}}, other{{"a", ones({3})}};
  optim::AdamW adam(model.parameters(), {.lr = 0.1, .weight_decay = 0.5});
  for (int i = 0; i < 3; ++i) adam.step(gradients(gradient_of(model[0], ones({3}))));
  BOOST_TEST(all_equal(model[1], ones({3})).ok());
  // Its own first step comes when it gets a gradient, with the correction of a first step.
  optim::AdamW fresh(other.parameters(), {.lr = 0.1, .weight_decay = 0.5});
  const Tensor g = tensor({0.5, -2.0, 3.0});
  adam.step(gradients(gradient_of(model[1], g)));
  fresh.step(gradients(gradient_of(other[0], g)));
  BOOST_TEST(all_equal(model[1], other[0]).ok());
}

BOOST_AUTO_TEST_CASE(gradients_of_others_are_ignored) {
  Model mine{{"a", ones({2})}}, foreign{{"a", ones({2})}};
  optim::SGD sgd(mine.parameters(), {.lr = 1});
  const auto result = sgd.step(
      gradients(gradient_of(mine[0], tensor({3.0, 4.0})), gradient_of(foreign[0], full({2}, nan))),
      {.clip_norm = 2.5});
  BOOST_TEST(result.norm == 5.0);
  BOOST_TEST(result.scale == 0.5);
  BOOST_TEST(all_equal(mine[0], tensor({-0.5, -1.0})).ok());
  BOOST_TEST(all_equal(foreign[0], ones({2})).ok());
}

BOOST_AUTO_TEST_CASE(a_frozen_parameter_and_its_moments_are_left_alone) {
  Model model{{"a", ones({2})}}, never{{"a", ones({2})}};
  optim::Adam adam(model.parameters(), {.weight_decay = 0.1}),
      plain(never.parameters(), {.weight_decay = 0.1});
  const Gradients g = gradients(gradient_of(model[0], tensor({1.0, -1.0})));
  const Gradients h = gradients(gradient_of(never[0], tensor({1.0, -1.0})));
  adam.step(g);
  model.freeze();
  const auto before = picture_of(model, adam);
  adam.step(g);
  for (std::size_t i = 0; i < 2; ++i)
    BOOST_TEST(all_equal(picture_of(model, adam).parameters[0], before.parameters[0]).ok());
  model.unfreeze();
  adam.step(g);
  plain.step(h);
  plain.step(h);
  BOOST_TEST(all_equal(model[0], never[0]).ok());
}

BOOST_AUTO_TEST_CASE(the_model_may_die_first) {
  auto model = std::make_unique<Model>(
      std::initializer_list<std::pair<std::string, Tensor>>{{"a", ones({2})}});
  const Tensor a = (*model)[0];
  optim::Adam adam(model->parameters(), {.lr = 0.5});
  const Gradients g = gradients(gradient_of((*model)[0], ones({2})));
  model.reset();
  adam.step(g);
  BOOST_TEST(all_close(a, tensor({0.5, 0.5})).ok());
  const Gradients bad =
      gradients(Gradients::Entry{.parameter = a, .path = "a", .dense = full({2}, nan)});
  BOOST_TEST(
      error_text([&] { adam.step(bad); }).starts_with("[adam] gradient of a f32 [2] has 2 NaN"));
  BOOST_TEST(adam.state().at(2).name == "a.steps");
}

BOOST_AUTO_TEST_CASE(a_change_of_dtype_is_noticed) {
  Model model{{"a", ones({2})}};
  optim::Adam adam(model.parameters());
  model.to(f64);
  const auto text = [&] { return error_text([&] { adam.step(Gradients{}); }); };
  const std::string expected =
      "[adam] a f32 [2] has changed its dtype since the optimiser was given it; needed the "
      "parameter as it was; "
      "hint: model.to(f64) first, then optim::Adam adam(model.parameters())";
  BOOST_TEST(text() == expected);
  model.to(f32);
  BOOST_TEST(text() == expected);
}

BOOST_AUTO_TEST_CASE(a_gradient_that_does_not_fit_is_refused) {
  Model model{{"a", ones({4, 2})}};
  optim::SGD sgd(model.parameters());
  const auto text = [&](const Gradients::Entry& entry) {
    return error_text([&] { sgd.step(gradients(entry)); });
  };
  BOOST_TEST(text(gradient_of(model[0], ones({2, 4}))) ==
             "[sgd] gradient f32 [2, 4] for a f32 [4, 2]; needed the parameter's shape and dtype; "
             "hint: tape.backward(loss) makes gradients that fit");
  BOOST_TEST(text(gradient_of(model[0], ones({4, 2}, f64)))
                 .starts_with("[sgd] gradient f64 [4, 2] for a f32 [4, 2]"));
  const std::string rows =
      "[sgd] gradient f32 [2, 2] of some rows for a f32 [4, 2]; needed rows of the table, ids "
      "ascending";
  BOOST_TEST(text(gradient_of(model[0], {1, 4}, ones({2, 2}))).starts_with(rows));
  BOOST_TEST(text(gradient_of(model[0], {-1, 2}, ones({2, 2}))).starts_with(rows));
  BOOST_TEST(text(gradient_of(model[0], {2, 1}, ones({2, 2}))).starts_with(rows));
  BOOST_TEST(text(gradient_of(model[0], {1, 1}, ones({2, 2}))).starts_with(rows));
  BOOST_TEST(text(gradient_of(model[0], {1, 2, 3}, ones({2, 2}))).starts_with(rows));
  BOOST_TEST(all_equal(model[0], ones({4, 2})).ok());
}

BOOST_AUTO_TEST_CASE(tapes_notice_a_step) {
  Model model;
  model.add("W", ones({2}));
  optim::SGD sgd(model.parameters());
  const Gradients g = gradients(gradient_of(model[0], ones({2})));
  sgd.step(g);
  Tape tape;
  Tensor loss = sum(model[0] * model[0]);
  static_cast<void>(tape.backward(loss, {.retain = true}));
  sgd.step(g);
  const std::string rest =
      " W was changed (optimizer step 2) after this tape read it; needed its old value; hint: call "
      "backward before step, or open a new Tape";
  BOOST_TEST(error_text([&] { static_cast<void>(tape.backward(loss)); }) == "[backward]" + rest);
}

BOOST_AUTO_TEST_CASE(an_untouched_parameter_stays_usable_on_a_tape) {
  Model model{{"a", ones({2})}, {"b", ones({2})}};
  optim::SGD sgd(model.parameters());
  Tape tape;
  Tensor loss = sum(model[1] * model[1]);
  sgd.step(gradients(gradient_of(model[0], ones({2}))));
  BOOST_TEST(all_equal(tape.backward(loss)[model[1]], full({2}, 2)).ok());
}

// Many parameters of odd sizes; some are cut among tasks, some share one.
BOOST_AUTO_TEST_CASE(the_same_bits_on_any_number_of_threads) {
  const auto train = [](Index threads, DType dtype) {
    const Threads limit(threads);
    Rng rng(3);
    Model model;
    for (const Index n : {7, 100'003, 1, 40'000, 64, 999, 65'536})
      model.add("p" + std::to_string(n), normal({n}, 0, 1, rng, dtype));
    optim::Adam adam(model.parameters(), {.lr = 0.1, .weight_decay = 0.01});
    std::vector<Tensor> result;
    for (int step = 0; step < 3; ++step) {
      Gradients g;
      for (const auto& [path, p] : model.parameters())
        g.insert({.parameter = p, .path = path, .dense = normal(p.shape(), 0, 1, rng, dtype)});
      result.push_back(full({}, adam.step(g, {.clip_norm = 1}).norm, f64));
    }
    for (const auto& [path, p] : model.parameters()) result.push_back(copy_of(p));
    return result;
  };
  for (const DType dtype : {f32, f64}) {
    const auto one = train(1, dtype);
    for (const Index threads : {2, 4}) {
      const auto more = train(threads, dtype);
      BOOST_REQUIRE_EQUAL(one.size(), more.size());
      for (std::size_t i = 0; i < one.size(); ++i)
        BOOST_TEST(all_equal(one[i], more[i]).ok(), all_equal(one[i], more[i]));
    }
  }
}

// An element gets the same bits wherever it lies: at the start, in a tail, alone.
BOOST_AUTO_TEST_CASE(the_same_bits_in_any_place) {
  Rng rng(5);
  for (const DType dtype : {f32, f64}) {
    const Tensor values = normal({67}, 0, 1, rng, dtype), g = normal({67}, 0, 1, rng, dtype);
    Model whole{{"a", values}};
    optim::AdamW together(whole.parameters());
    optim::SGD momentum(whole.parameters(),
                        {.momentum = 0.9, .weight_decay = 0.1, .nesterov = true});
    for (int i = 0; i < 2; ++i) {
      together.step(gradients(gradient_of(whole[0], g)));
      momentum.step(gradients(gradient_of(whole[0], g)));
    }
    for (Index i = 0; i < 67; ++i) {
      Model alone{{"a", contiguous(slice(values, {.axis = 0, .from = i, .to = i + 1}))}};
      optim::AdamW single(alone.parameters());
      optim::SGD single_momentum(alone.parameters(),
                                 {.momentum = 0.9, .weight_decay = 0.1, .nesterov = true});
      for (int k = 0; k < 2; ++k) {
        const Gradients one =
            gradients(gradient_of(alone[0], slice(g, {.axis = 0, .from = i, .to = i + 1})));
        single.step(one);
        single_momentum.step(one);
      }
      BOOST_TEST(
          all_equal(alone[0], slice(detach(whole[0]), {.axis = 0, .from = i, .to = i + 1})).ok());
    }
  }
}

#if !defined(__SANITIZE_ADDRESS__)  // which has every block taken from the system, to watch over it
BOOST_AUTO_TEST_CASE(a_steady_loop_takes_no_memory_from_the_system) {
  Model model{{"a", ones({300, 50})}};
  optim::Adam adam(model.parameters());
  const auto train = [&](int steps) {
    for (int i = 0; i < steps; ++i) {
      Tape tape;
      adam.step(tape.backward(sum(model[0] * model[0])), {.clip_norm = 1});
    }
  };
  train(3);
  const Index before = memory_stats().system_allocations;
  train(20);
  BOOST_TEST(memory_stats().system_allocations == before);
}
#endif

BOOST_AUTO_TEST_CASE(gradients_with_gaps_and_empty_parameters) {
  Model model{{"a", zeros({3, 2})}, {"b", zeros({0, 4})}, {"c", zeros({})}};
  optim::SGD sgd(model.parameters(), {.lr = 1});
  const Tensor wide = tensor({{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}});
  sgd.step(gradients(gradient_of(model[0], transpose(wide, 0, 1)),
                     gradient_of(model[1], zeros({0, 4})), gradient_of(model[2], ones({}))));
  BOOST_TEST(all_equal(model[0], tensor({{-1.0, -4.0}, {-2.0, -5.0}, {-3.0, -6.0}})).ok());
  BOOST_TEST(model[2].item() == -1.0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace unroll::test
