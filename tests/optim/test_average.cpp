#include <cmath>
#include <limits>
#include <stdexcept>

#include <boost/test/unit_test.hpp>

#include "optim/model.h"
#include "support/error_text.h"

namespace unroll::test {
namespace {

using optim::Average;
using optim::Averaging;

BOOST_AUTO_TEST_SUITE(average)

BOOST_AUTO_TEST_CASE(against_plain_numbers) {
  for (const DType dtype : {f32, f64})
    for (const Averaging kind : {Averaging::exponential, Averaging::equal}) {
      Rng rng(41);
      Model model{{"W", normal({7, 3}, 0, 1, rng, dtype)}};
      Average average(model.parameters(), {.decay = 0.9, .averaging = kind});
      std::vector<long double> expected(21);
      for (int n = 1; n <= 50; ++n) {
        model[0].assign(normal({7, 3}, 0, 1, rng, dtype));
        average.update();
        const Tensor now = detach(model[0]).to(f64);
        for (std::size_t i = 0; i < 21; ++i) {
          const long double x = now.span<double>()[i];
          if (kind == Averaging::equal)
            expected[i] = (expected[i] * (n - 1) + x) / n;
          else
            expected[i] = n == 1 ? x : 0.9L * expected[i] + 0.1L * x;
        }
      }
      const Tensor got = average[model[0]];
      for (std::size_t i = 0; i < 21; ++i)
        BOOST_TEST(std::abs(got.span<double>()[i] - static_cast<double>(expected[i])) < 1e-14);
      BOOST_TEST(average.updates() == 50);
    }
}

// In f32, 1 + 1e-4 · 5e-4 is 1.
BOOST_AUTO_TEST_CASE(small_changes_are_not_lost) {
  Model model{{"a", ones({1})}};
  Average average(model.parameters(), {.decay = 0.9999});
  average.update();
  model[0].assign(full({1}, 1.0005));
  for (int i = 0; i < 1000; ++i) average.update();
  const double step = static_cast<double>(1.0005F) - 1;
  BOOST_TEST(std::abs(average[model[0]].item() - (1 + step * (1 - std::pow(0.9999, 1000)))) <
             1e-14);
}

BOOST_AUTO_TEST_CASE(swapped_until_the_end_of_the_block) {
  Model model{{"a", ones({3})}, {"b", full({2}, 5, f32)}};
  model[1].freeze();
  Average average(model.parameters(), {.averaging = Averaging::equal});
  average.update();
  model[0].assign(tensor({2.0, 3.0, 4.0}));
  average.update();
  const Tensor values = tensor({0.1, 1e-30, -3e30});
  model[0].assign(values);
  {
    const auto swapped = average.swap();
    BOOST_TEST(all_equal(model[0], tensor({1.5, 2.0, 2.5})).ok());
    BOOST_TEST(all_equal(model[1], full({2}, 5)).ok());
    BOOST_TEST(error_text([&] { average.update(); }) ==
               "[average] update while parameters are swapped; needed the parameters themselves; "
               "hint: { const auto swapped = average.swap(); validate(model); }");
    BOOST_TEST(error_text([&] {
                 static_cast<void>(average.swap());
               }).starts_with("[average] swap while parameters are swapped;"));
  }
  BOOST_TEST(all_equal(model[0], values).ok());
  try {
    const auto swapped = average.swap();
    model[0].assign(zeros({3}));
    throw std::runtime_error("from the block");
  } catch (const std::runtime_error&) {
  }
  BOOST_TEST(all_equal(model[0], values).ok());
  average.update();
  BOOST_TEST(average.updates() == 3);
}

BOOST_AUTO_TEST_CASE(restored_where_average_model_or_dtype_are_gone) {
  auto model = std::make_unique<Model>(
      std::initializer_list<std::pair<std::string, Tensor>>{{"a", tensor({0.1, 0.2})}});
  auto average = std::make_unique<Average>(model->parameters());
  average->update();
  (*model)[0].assign(tensor({0.3, 0.4}));
  {
    const auto swapped = average->swap();
    average.reset();
    model->to(f64);
    BOOST_TEST(all_equal((*model)[0], tensor({0.1, 0.2}).to(f64)).ok());
  }
  BOOST_TEST(all_equal((*model)[0], tensor({0.3, 0.4}).to(f64)).ok());
  const Tensor a = (*model)[0];
  Average again(model->parameters());
  again.update();
  {
    const auto swapped = again.swap();
    model.reset();
  }
  BOOST_TEST(all_equal(a, tensor({0.3, 0.4}).to(f64)).ok());
}

BOOST_AUTO_TEST_CASE(tapes_notice_a_swap) {
  Model model{{"a", ones({2})}};
  Average average(model.parameters());
  average.update();
  Tape tape;
  const Tensor loss = sum(model[0] * model[0]);
  { const auto swapped = average.swap(); }
  BOOST_TEST(error_text([&] { static_cast<void>(tape.backward(loss)); })
                 .starts_with("[backward] a was changed (swap of an average) after this tape read "
                              "it;"));
}

BOOST_AUTO_TEST_CASE(goes_on_to_the_bit) {
  Rng rng(42);
  Model a{{"W", normal({4, 3}, 0, 1, rng)}, {"b", normal({3}, 0, 1, rng)}},
      b{{"W", a[0]}, {"b", a[1]}};
  Average whole(a.parameters(), {.decay = 0.9}), resumed(b.parameters(), {.decay = 0.9});
  const auto both = [&](Average& average, Model& model, Rng from) {
    for (std::size_t i = 0; i < 2; ++i) model[i].assign(normal(model[i].shape(), 0, 1, from));
    average.update();
  };
  for (int i = 0; i < 5; ++i) both(whole, a, rng.split(std::to_string(i)));
  const auto saved = whole.state();
  std::string names;
  for (const auto& e : saved) names += e.name + " " + describe(e.tensor) + "; ";
  BOOST_TEST(names == "updates i64 []; W.average f64 [4, 3]; b.average f64 [3]; ");
  resumed.restore(saved);
  for (int i = 5; i < 8; ++i) {
    both(whole, a, rng.split(std::to_string(i)));
    both(resumed, b, rng.split(std::to_string(i)));
  }
  for (std::size_t i = 0; i < 2; ++i) BOOST_TEST(all_equal(whole[a[i]], resumed[b[i]]).ok());
  auto bad = saved;
  bad[1].tensor = ones({4, 3});
  bad[2].name = "c";
  BOOST_TEST(error_text([&] { resumed.restore(bad); }) ==
             "[average] state of another average or model: W.average is f32 [4, 3] instead of f64 "
             "[4, 3], b.average is missing, c is unknown here; needed what state() returned; hint: "
             "make average or model with the same options first");
  BOOST_TEST(resumed.updates() == 8);
}

BOOST_AUTO_TEST_CASE(the_same_bits_on_any_number_of_threads) {
  const auto run = [](Index threads) {
    const Threads limit(threads);
    Rng rng(43);
    Model model{{"a", normal({100'003}, 0, 1, rng)}};
    Average average(model.parameters());
    average.update();
    model[0].assign(normal({100'003}, 0, 1, rng));
    average.update();
    return average[model[0]];
  };
  const Tensor one = run(1);
  BOOST_TEST(all_equal(run(2), one).ok());
  BOOST_TEST(all_equal(run(4), one).ok());
}

BOOST_AUTO_TEST_CASE(what_it_refuses) {
  Model model{{"a", ones({2})}, {"b", ones({2})}};
  BOOST_TEST(error_text([&] { const Average average(model.parameters(), {.decay = 1.5}); }) ==
             "[average] decay is 1.5; needed 0 <= decay <= 1");
  BOOST_TEST(error_text([] { const Average average(std::vector<Tensor>{}); }) ==
             "[average] no parameters; needed at least one; hint: model.parameters()");
  BOOST_TEST(error_text([] { const Average average(std::vector<Tensor>{ones({2})}); }) ==
             "[average] f32 [2] is not a parameter; needed parameters of modules; hint: "
             "model.parameters()");
  BOOST_TEST(error_text([&] {
               const Average average(std::vector<Tensor>{model[0], model[0]});
             }) == "[average] a f32 [2] is there twice; needed each parameter once");
  Average average(std::vector<Tensor>{model[0]});
  BOOST_TEST(error_text([&] { static_cast<void>(average.swap()); }) ==
             "[average] swap before the first update; needed an average; hint: average.update() "
             "behind adam.step(grads)");
  BOOST_TEST(error_text([&] { static_cast<void>(average[model[1]]); }) ==
             "[average] no average of b f32 [2]; needed a parameter that was given to it; hint: "
             "optim::Average average(model.parameters())");
  model[0].assign(tensor({1.0, std::nan("")}));
  BOOST_TEST(error_text([&] { average.update(); }) ==
             "[average] a f32 [2] has 1 NaN, first at [1]; needed finite parameters; nothing was "
             "changed; hint: Tape tape({.check_finite = true})");
  BOOST_TEST(average.updates() == 0);
  model[0].assign(ones({2}));
  model.to(f64);
  BOOST_TEST(error_text([&] { average.update(); })
                 .starts_with("[average] a f32 [2] has changed its dtype since the average was "
                              "given it;"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace unroll::test
