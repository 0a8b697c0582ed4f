#include <cmath>

#include <boost/test/unit_test.hpp>

#include "optim/model.h"
#include "support/error_text.h"

// State that is saved and comes back.
namespace unroll::test {
namespace {

Gradients random_gradients(const Model& model, Rng& rng) {
  Gradients g;
  for (const auto& [path, p] : model.parameters())
    g.insert({.parameter = p, .path = path, .dense = normal(p.shape(), 0, 1, rng, p.dtype())});
  return g;
}

template <class Optimizer>
void continues_to_the_bit(const typename Optimizer::Options& options, std::size_t entries) {
  Rng rng(21);
  Model a{{"W", normal({9, 5}, 0, 1, rng)}, {"b", normal({5}, 0, 1, rng)}, {"late", ones({3})}};
  Optimizer original(a.parameters(), options);
  const auto without_late = [&](Model& model, Rng& from) {
    Gradients g;
    for (const auto& e : random_gradients(model, from))
      if (e.path != "late") g.insert(e);
    return g;
  };
  for (int i = 0; i < 5; ++i) original.step(without_late(a, rng));
  original.set_lr(0.037);
  const auto saved = original.state();
  BOOST_TEST(saved.size() == entries);

  Model b{{"W", a[0]}, {"b", a[1]}, {"late", a[2]}};
  Optimizer resumed(b.parameters(), options);
  resumed.step(gradients(gradient_of(b[2], ones({3}))));  // forgotten by restore
  nn::copy_values(a, b);
  resumed.restore(saved);
  BOOST_TEST(resumed.lr() == 0.037);
  BOOST_TEST(resumed.steps() == 5);
  Rng again = rng;
  for (int i = 0; i < 3; ++i) {
    original.step(random_gradients(a, rng));
    resumed.step(random_gradients(b, again));
  }
  for (std::size_t i = 0; i < 3; ++i) BOOST_TEST(all_equal(a[i], b[i]).ok());
  const auto x = original.state(), y = resumed.state();
  BOOST_REQUIRE_EQUAL(x.size(), y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    BOOST_TEST(x[i].name == y[i].name);
    BOOST_TEST(all_equal(x[i].tensor, y[i].tensor).ok(), x[i].name);
  }
}

BOOST_AUTO_TEST_SUITE(state)

BOOST_AUTO_TEST_CASE(goes_on_to_the_bit) {
  continues_to_the_bit<optim::SGD>({.lr = 0.1}, 5);
  continues_to_the_bit<optim::SGD>({.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01}, 7);
  continues_to_the_bit<optim::Adam>({.lr = 0.1}, 9);
  continues_to_the_bit<optim::AdamW>({.lr = 0.1}, 9);
}

BOOST_AUTO_TEST_CASE(names_are_unique) {
  Model model{{"W", ones({2})}}, other{{"W", ones({2})}};
  std::vector<Tensor> both{model[0], other[0]};
  optim::Adam adam(both);
  adam.step(gradients(gradient_of(other[0], ones({2}))));
  std::string names;
  for (const auto& e : adam.state()) names += e.name + " " + describe(e.tensor) + "; ";
  BOOST_TEST(names ==
             "lr f64 []; steps i64 []; W.steps i64 []; W#2.steps i64 []; W#2.first f32 [2]; "
             "W#2.second f32 [2]; ");
}

BOOST_AUTO_TEST_CASE(is_a_copy) {
  Model model{{"W", ones({2})}};
  optim::SGD sgd(model.parameters(), {.momentum = 0.9});
  const Gradients g = gradients(gradient_of(model[0], ones({2})));
  sgd.step(g);
  const auto saved = sgd.state();
  sgd.step(g);
  BOOST_TEST(all_equal(saved.back().tensor, ones({2})).ok());
  sgd.restore(saved);
  sgd.step(g);
  BOOST_TEST(all_equal(saved.back().tensor, ones({2})).ok());
}

BOOST_AUTO_TEST_CASE(a_list_that_does_not_fit_changes_nothing) {
  Model model{{"W", ones({2})}, {"b", ones({3})}};
  optim::Adam adam(model.parameters());
  Rng rng(2);
  adam.step(random_gradients(model, rng));
  const auto good = adam.state();
  // lr, steps, W.steps, W.first, W.second, b.steps, b.first, b.second
  auto bad = good;
  bad[0].tensor = full({}, NAN, f64);
  bad[1].tensor = full({}, -1, i64);
  bad[3].tensor = ones({3});
  bad[4].tensor = ones({2}, f64);
  bad[6].name = "c.first";
  bad.push_back(good[7]);
  adam.step(random_gradients(model, rng));
  const auto before = adam.state();
  BOOST_TEST(error_text([&] { adam.restore(bad); }) ==
             "[adam] state of another optimiser or model: b.second is there twice, lr is nan, "
             "steps is -1, "
             "W.first is f32 [3] instead of f32 [2], W.second is f64 [2] instead of f32 [2], "
             "b.first is missing, "
             "c.first is unknown here; needed what state() returned; "
             "hint: make optimiser or model with the same options first");
  BOOST_TEST(error_text([&] { adam.restore({}); })
                 .starts_with("[adam] state of another optimiser or model: lr is missing, steps is "
                              "missing, W.steps"));
  const auto after = adam.state();
  BOOST_REQUIRE_EQUAL(after.size(), before.size());
  for (std::size_t i = 0; i < after.size(); ++i)
    BOOST_TEST(all_equal(after[i].tensor, before[i].tensor).ok());
  adam.restore(good);
  BOOST_TEST(adam.steps() == 1);
}

BOOST_AUTO_TEST_CASE(of_another_kind_is_refused) {
  Model model{{"W", ones({2})}};
  optim::Adam adam(model.parameters());
  optim::SGD sgd(model.parameters(), {.momentum = 0.9});
  Rng rng(2);
  sgd.step(random_gradients(model, rng));
  BOOST_TEST(error_text([&] { adam.restore(sgd.state()); })
                 .starts_with("[adam] state of another optimiser or model: W.first is missing, "
                              "W.second is missing, "
                              "W.momentum is unknown here"));
}

BOOST_AUTO_TEST_CASE(options_that_change_the_moments_are_noticed) {
  Model model{{"W", ones({2})}};
  optim::Adam plain(model.parameters()), largest(model.parameters(), {.amsgrad = true});
  Rng rng(2);
  plain.step(random_gradients(model, rng));
  largest.step(random_gradients(model, rng));
  BOOST_TEST(error_text([&] {
               largest.restore(plain.state());
             }).starts_with("[adam] state of another optimiser or model: W.largest is missing;"));
  BOOST_TEST(
      error_text([&] {
        plain.restore(largest.state());
      }).starts_with("[adam] state of another optimiser or model: W.largest is unknown here;"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace unroll::test
