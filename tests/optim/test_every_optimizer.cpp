#include <cmath>
#include <limits>

#include <boost/test/unit_test.hpp>

#include "optim/kinds.h"
#include "support/error_text.h"

// What each rule has to keep to, and rules that PyTorch lacks against their papers.
namespace unroll::test {
namespace {

using optim::Sparse;

Gradients random_gradients(const Model& model, Rng& rng) {
  Gradients g;
  for (const auto& [path, p] : model.parameters())
    g.insert({.parameter = p, .path = path, .dense = normal(p.shape(), 0, 1, rng, p.dtype())});
  return g;
}

void check_equal_states(const optim::Optimizer& a, const optim::Optimizer& b,
                        const std::string& what) {
  const auto x = a.state(), y = b.state();
  BOOST_REQUIRE_EQUAL(x.size(), y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    BOOST_TEST(x[i].name == y[i].name, what);
    BOOST_TEST(all_equal(x[i].tensor, y[i].tensor).ok(), what << " " << x[i].name);
  }
}

BOOST_AUTO_TEST_SUITE(every_optimizer)

BOOST_AUTO_TEST_CASE(the_same_bits_on_any_number_of_threads) {
  const auto train = [](const Kind& kind, DType dtype, Index threads) {
    const Threads limit(threads);
    Rng rng(3);
    Model model;
    for (const Index n : {7, 70'003, 1, 999})
      model.add("p" + std::to_string(n), normal({n}, 0, 1, rng, dtype));
    const auto optimizer = kind.make(model.parameters(), Sparse::exact);
    for (int step = 0; step < 2; ++step)
      optimizer->step(random_gradients(model, rng), {.clip_norm = 1});
    std::vector<Tensor> result;
    for (const auto& [path, p] : model.parameters()) result.push_back(copy_of(p));
    return result;
  };
  for (const Kind& kind : kinds())
    for (const DType dtype : {f32, f64}) {
      const auto one = train(kind, dtype, 1);
      for (const Index threads : {2, 4}) {
        const auto more = train(kind, dtype, threads);
        for (std::size_t i = 0; i < one.size(); ++i)
          BOOST_TEST(all_equal(one[i], more[i]).ok(), kind.name);
      }
    }
}

BOOST_AUTO_TEST_CASE(an_element_gets_the_same_bits_in_any_place) {
  Rng rng(5);
  for (const Kind& kind : kinds()) {
    const Tensor values = normal({35}, 0, 1, rng), g = normal({35}, 0, 1, rng);
    const auto after = [&](Index from, Index to) {
      const auto part = [&](const Tensor& x) {
        return contiguous(slice(x, {.axis = 0, .from = from, .to = to}));
      };
      Model model{{"a", part(values)}};
      const auto optimizer = kind.make(model.parameters(), Sparse::exact);
      for (int i = 0; i < 2; ++i) optimizer->step(gradients(gradient_of(model[0], part(g))));
      return copy_of(model[0]);
    };
    const Tensor whole = after(0, 35);
    for (const Index i : {0, 3, 15, 16, 31, 32, 34})
      BOOST_TEST(all_equal(after(i, i + 1), slice(whole, {.axis = 0, .from = i, .to = i + 1})).ok(),
                 kind.name << " " << i);
  }
}

BOOST_AUTO_TEST_CASE(saved_and_restored_it_goes_on_to_the_bit) {
  for (const Kind& kind : kinds()) {
    Rng rng(21);
    Model a{{"W", normal({9, 5}, 0, 1, rng)}, {"b", normal({5}, 0, 1, rng, f32)}};
    const auto whole = kind.make(a.parameters(), Sparse::exact);
    for (int i = 0; i < 7; ++i) whole->step(random_gradients(a, rng), {.clip_norm = 3});
    const auto saved = whole->state();
    std::string moments;
    for (const auto& [name, tensor] : saved)
      if (name.starts_with("W.") && name != "W.steps")
        moments += (moments.empty() ? "" : " ") + name.substr(2);
    BOOST_TEST(moments == kind.moments, kind.name);

    Model b{{"W", a[0]}, {"b", a[1]}};
    const auto resumed = kind.make(b.parameters(), Sparse::exact);
    resumed->restore(saved);
    Rng again = rng;
    for (int i = 0; i < 5; ++i) {
      whole->step(random_gradients(a, rng), {.clip_norm = 3});
      resumed->step(random_gradients(b, again), {.clip_norm = 3});
    }
    for (std::size_t i = 0; i < 2; ++i) BOOST_TEST(all_equal(a[i], b[i]).ok(), kind.name);
    check_equal_states(*whole, *resumed, kind.name);
  }
}

BOOST_AUTO_TEST_CASE(all_or_nothing) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  for (const Kind& kind : kinds()) {
    Rng rng(22);
    Model a{{"W", normal({9, 5}, 0, 1, rng)}, {"b", normal({5}, 0, 1, rng)}},
        b{{"W", a[0]}, {"b", a[1]}};
    const auto optimizer = kind.make(a.parameters(), Sparse::exact),
               other = kind.make(b.parameters(), Sparse::exact);
    const auto both = [&](const Tensor& w, const Tensor& bias) {
      optimizer->step(gradients(gradient_of(a[0], w), gradient_of(a[1], bias)));
      other->step(gradients(gradient_of(b[0], w), gradient_of(b[1], bias)));
    };
    both(normal({9, 5}, 0, 1, rng), normal({5}, 0, 1, rng));
    BOOST_TEST(
        error_text([&] {
          optimizer->step(
              gradients(gradient_of(a[0], ones({9, 5})), gradient_of(a[1], full({5}, nan))));
        })
                .find("] gradient of b f32 [5] has 5 NaN, first at [0]; needed finite values; "
                      "nothing was changed; hint: ") != std::string::npos,
        kind.name);
    check_equal_states(*optimizer, *other, kind.name);
    both(normal({9, 5}, 0, 1, rng), normal({5}, 0, 1, rng));
    for (std::size_t i = 0; i < 2; ++i) BOOST_TEST(all_equal(a[i], b[i]).ok(), kind.name);
  }
}

// An infinite mean square would stop its parameter for ever, silently.
BOOST_AUTO_TEST_CASE(a_gradient_whose_square_overflows) {
  const Tensor wild = tensor({1.0, -2e22});
  for (const Kind& kind : kinds()) {
    Model model{{"a", ones({2})}};
    const auto optimizer = kind.make(model.parameters(), Sparse::exact);
    const auto text = error_text([&] { optimizer->step(gradients(gradient_of(model[0], wild))); });
    if (kind.squares) {
      BOOST_TEST(text.substr(text.find(']')) ==
                     "] gradient of a f32 [2] reaches 2e+22; needed a square within the range of "
                     "f32; nothing was changed; hint: step(grads, {.clip_norm = 5})",
                 kind.name);
      BOOST_TEST(all_equal(model[0], ones({2})).ok(), kind.name);
      BOOST_TEST(optimizer->steps() == 0, kind.name);
    } else {
      BOOST_TEST(text.empty(), kind.name << ": " << text);
    }
    optimizer->step(gradients(gradient_of(model[0], wild)), {.clip_norm = 1});
    optimizer->step(gradients(gradient_of(model[0], wild)), {.clip_value = 1});
    for (const auto& [name, tensor] : optimizer->state())
      if (tensor.rank() == 1)
        BOOST_TEST(std::isfinite(sum(tensor).item()), kind.name << " " << name);
  }
}

// Algorithm 2 of the paper, in plain numbers.
BOOST_AUTO_TEST_CASE(lion_is_that_of_the_paper) {
  Rng rng(23);
  const Tensor initial = normal({19}, 0, 1, rng, f64);
  Model model{{"a", initial}};
  const optim::LionOptions o{.lr = 0.03, .beta1 = 0.8, .beta2 = 0.95, .weight_decay = 0.2};
  optim::Lion lion(model.parameters(), o);
  std::vector<double> x(initial.span<double>().begin(), initial.span<double>().end()), m(19);
  double rate = o.lr;
  for (int step = 0; step < 50; ++step) {
    Tensor g = normal({19}, 0, 1, rng, f64);
    if (step == 0) g = zeros({19}, f64);
    const auto result = lion.step(gradients(gradient_of(model[0], g)), {.clip_norm = 3});
    BOOST_TEST(result.scale == std::min(1.0, 3 / result.norm));
    for (std::size_t i = 0; i < 19; ++i) {
      const double d = g.span<double>()[i] * result.scale;
      const double c = o.beta1 * m[i] + (1 - o.beta1) * d;
      const double sign = c > 0 ? 1 : c < 0 ? -1 : 0;
      x[i] -= rate * (sign + o.weight_decay * x[i]);
      m[i] = o.beta2 * m[i] + (1 - o.beta2) * d;
    }
    if (step == 20) lion.set_lr(rate = 0.01);
  }
  const auto same =
      all_close(model[0], from(std::span<const double>(x), {19}), {.relative = 1e-11});
  BOOST_TEST(same.ok(), same);
}

BOOST_AUTO_TEST_CASE(lion_moves_nothing_where_there_is_no_gradient) {
  Model model{{"a", ones({3})}};
  optim::Lion lion(model.parameters(), {.lr = 0.5});
  lion.step(gradients(gradient_of(model[0], tensor({0.0, 1e-30, -1e-30}))));
  BOOST_TEST(all_equal(model[0], tensor({1.0, 0.5, 1.5})).ok());
}

// A constant gradient has no variance; rounding may make v - a² negative.
BOOST_AUTO_TEST_CASE(centred_rmsprop_never_takes_the_root_of_less_than_nothing) {
  Model model{{"a", zeros({64})}};
  optim::RMSprop rmsprop(model.parameters(), {.lr = 1e-9, .alpha = 0.5, .centred = true});
  Rng rng(24);
  const Tensor g = normal({64}, 0, 1, rng);
  for (int i = 0; i < 100; ++i) rmsprop.step(gradients(gradient_of(model[0], g)));
  BOOST_TEST(std::isfinite(sum(model[0]).item()));
}

// While the variance is not tractable RAdam is momentum with a corrected mean.
BOOST_AUTO_TEST_CASE(first_steps_of_radam_are_not_divided) {
  Model model{{"a", zeros({2}, f64)}};
  optim::RAdam radam(model.parameters(), {.lr = 0.1});
  for (int i = 1; i <= 5; ++i)
    radam.step(gradients(gradient_of(model[0], tensor({1.0, 10.0}, f64))));
  BOOST_TEST(all_close(model[0], tensor({-0.5, -5.0}, f64), {.relative = 1e-14}).ok(), model[0]);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace unroll::test
