#include <unroll/nn/safetensors.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include <boost/test/unit_test.hpp>

#include "optim/model.h"
#include "support/error_text.h"
#include "support/source_tree.h"

namespace unroll::test {
namespace {

using optim::Evaluation;
using optim::LBFGS;
using optim::LineSearch;

Tensor flat(const Model& model) {
  std::vector<Tensor> parts;
  for (const auto& [path, p] : model.parameters()) parts.push_back(reshape(p, {p.size()}));
  return concat(parts, 0);
}
Tensor rosenbrock(const Tensor& x) {
  const Tensor low = slice(x, {.axis = 0, .from = 0, .to = x.size() - 1});
  const Tensor high = slice(x, {.axis = 0, .from = 1, .to = x.size()});
  return sum(10.0 * square(high - square(low)) + square(1.0 - low));
}

template <class Loss>
LBFGS::Closure closure_of(const Model& model, const Loss& loss) {
  return [&model, loss] {
    Tape tape;
    const Tensor value = loss(flat(model));
    return Evaluation{.loss = value.item(), .gradients = tape.backward(value)};
  };
}

nn::Safetensors fixture() {
  return nn::Safetensors::open(source_tree("tests/fixtures/lbfgs.safetensors"));
}

BOOST_AUTO_TEST_SUITE(lbfgs)

// tests/fixtures/make_lbfgs.py
BOOST_AUTO_TEST_CASE(as_pytorch) {
  const auto file = fixture();
  const Tensor data = file["data"];
  const auto logistic = [&](const Tensor& x) {
    return sum(softplus(matmul(data, reshape(x, {x.size(), 1})))) + 0.05 * sum(x * x);
  };
  const auto run = [&](const std::string& name, const optim::LBFGSOptions& options,
                       const auto& loss) {
    Model model{{"a", file["initial/a"]}, {"b", file["initial/b"]}};
    LBFGS optimizer(model.parameters(), options);
    const Tensor losses = file[name + "/loss"];
    for (Index step = 0; step < losses.size(); ++step) {
      const auto result = optimizer.step(closure_of(model, loss));
      const double expected = losses.span<double>()[static_cast<std::size_t>(step)];
      BOOST_TEST(std::abs(result.loss - expected) <= 1e-11 * expected,
                 name << " step " << step << ": " << result.loss << " instead of " << expected);
      for (std::size_t i = 0; i < 2; ++i) {
        const auto same = all_close(model[i], select(file[name + (i == 0 ? "/a" : "/b")], 0, step),
                                    {.relative = 1e-11, .absolute = 1e-12});
        BOOST_TEST(same.ok(), name << " step " << step << ": " << same);
      }
    }
  };
  run("rosenbrock", {.iterations = 4, .history = 3}, rosenbrock);
  run("far", {.lr = 30, .iterations = 3, .history = 4}, rosenbrock);
  run("logistic", {.iterations = 3, .history = 5}, logistic);
  run("none", {.lr = 0.4, .iterations = 2, .history = 4, .line_search = LineSearch::none},
      logistic);
}

// The direction is that of the matrix that BFGS updates, pair by pair, from a multiple of one.
BOOST_AUTO_TEST_CASE(directions_are_those_of_dense_bfgs) {
  constexpr std::size_t n = 5;
  using Matrix = std::vector<std::vector<long double>>;
  Rng rng(51);
  const Tensor m = normal({n, n}, 0, 1, rng, f64), c = normal({n}, 0, 1, rng, f64);
  const auto loss = [&](const Tensor& x) {
    return sum(square(matmul(m, reshape(x, {n, 1})))) + sum(softplus(x * c));
  };
  Model model{{"a", normal({n}, 0, 1, rng, f64)}};
  LBFGS optimizer(model.parameters(),
                  {.lr = 0.3, .iterations = 1, .history = 20, .line_search = LineSearch::none});
  std::vector<std::vector<long double>> xs, gs;
  const auto closure = closure_of(model, loss);
  for (int step = 0; step < 8; ++step) {
    const Evaluation now = closure();
    const auto x = model[0].span<double>(), g = now.gradients[model[0]].span<double>();
    xs.emplace_back(x.begin(), x.end());
    gs.emplace_back(g.begin(), g.end());
    optimizer.step(closure);
    if (step == 0) continue;
    // gamma · 1, then every pair.
    const auto pair = [&](std::size_t k, auto& s, auto& y) {
      for (std::size_t i = 0; i < n; ++i) {
        s.push_back(xs[k + 1][i] - xs[k][i]);
        y.push_back(gs[k + 1][i] - gs[k][i]);
      }
    };
    const auto dot = [](const auto& a, const auto& b) {
      long double sum = 0;
      for (std::size_t i = 0; i < n; ++i) sum += a[i] * b[i];
      return sum;
    };
    std::vector<long double> last_s, last_y;
    pair(xs.size() - 2, last_s, last_y);
    const long double gamma = dot(last_s, last_y) / dot(last_y, last_y);
    Matrix h(n, std::vector<long double>(n));
    for (std::size_t i = 0; i < n; ++i) h[i][i] = gamma;
    for (std::size_t k = 0; k + 1 < xs.size(); ++k) {
      std::vector<long double> s, y;
      pair(k, s, y);
      const long double rho = 1 / dot(s, y);
      Matrix left(n, std::vector<long double>(n)), next(n, std::vector<long double>(n));
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j)
          for (std::size_t l = 0; l < n; ++l)
            left[i][j] += ((i == l ? 1 : 0) - rho * s[i] * y[l]) * h[l][j];
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) {
          for (std::size_t l = 0; l < n; ++l)
            next[i][j] += left[i][l] * ((l == j ? 1 : 0) - rho * y[l] * s[j]);
          next[i][j] += rho * s[i] * s[j];
        }
      h = next;
    }
    for (std::size_t i = 0; i < n; ++i) {
      long double d = 0;
      for (std::size_t j = 0; j < n; ++j) d -= h[i][j] * gs.back()[j];
      const auto expected = static_cast<double>(xs.back()[i] + 0.3L * d);
      BOOST_TEST(std::abs(model[0].span<double>()[i] - expected) <= 1e-11 * std::abs(expected),
                 step);
    }
  }
}

BOOST_AUTO_TEST_CASE(finds_the_minimum_of_rosenbrock) {
  for (const DType dtype : {f32, f64}) {
    Model model{{"a", full({2, 2}, -1.2, dtype)}, {"b", full({3}, 0.5, dtype)}};
    LBFGS optimizer(model.parameters(), {.iterations = 200});
    const auto result = optimizer.step(closure_of(model, rosenbrock));
    BOOST_TEST(result.converged);
    BOOST_TEST(result.iterations < 100);
    BOOST_TEST(result.loss <= result.first_loss);
    BOOST_TEST(result.loss == rosenbrock(flat(model)).item());
    for (std::size_t i = 0; i < 2; ++i)
      BOOST_TEST(all_close(model[i], ones(model[i].shape(), dtype),
                           {.absolute = dtype == f32 ? 2e-2 : 1e-5})
                     .ok(),
                 model[i]);
    const auto again = optimizer.step(closure_of(model, rosenbrock));
    BOOST_TEST(again.iterations <= 1);
  }
}

BOOST_AUTO_TEST_CASE(limits_of_a_step) {
  Model model{{"a", full({6}, -1.2, f64)}};
  LBFGS few(model.parameters(), {.iterations = 3, .evaluations = 100});
  BOOST_TEST(few.step(closure_of(model, rosenbrock)).iterations == 3);
  LBFGS one(model.parameters(), {.evaluations = 1});
  const auto result = one.step(closure_of(model, rosenbrock));
  BOOST_TEST(result.iterations == 1);
  BOOST_TEST(!result.converged);
  LBFGS tolerant(model.parameters(), {.gradient_tolerance = 1e9});
  const auto nothing = tolerant.step(closure_of(model, rosenbrock));
  BOOST_TEST(nothing.converged);
  BOOST_TEST(nothing.iterations == 0);
  BOOST_TEST(nothing.evaluations == 1);
  BOOST_TEST(nothing.loss == nothing.first_loss);
}

BOOST_AUTO_TEST_CASE(a_search_that_finds_nothing_lower_moves_nothing) {
  Model model{{"a", full({3}, 0.1, f64)}};
  const Tensor before = copy_of(model[0]);
  LBFGS optimizer(model.parameters());
  double loss = 0;
  const auto result = optimizer.step([&] {
    return Evaluation{.loss = loss++,
                      .gradients = gradients(gradient_of(model[0], ones({3}, f64)))};
  });
  BOOST_TEST(all_equal(model[0], before).ok());
  BOOST_TEST(result.loss == 0.0);
  BOOST_TEST(!result.converged);
  BOOST_TEST(result.evaluations < 40);
}

BOOST_AUTO_TEST_CASE(whatever_throws_changes_nothing) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  Model model{{"a", full({6}, -1.2, f32)}};
  LBFGS optimizer(model.parameters(), {.iterations = 4});
  optimizer.step(closure_of(model, rosenbrock));
  const Tensor before = copy_of(model[0]);
  const auto saved = optimizer.state();
  const auto check = [&](const std::string& what) {
    BOOST_TEST(all_equal(model[0], before).ok(), what);
    const auto now = optimizer.state();
    BOOST_REQUIRE_EQUAL(now.size(), saved.size());
    for (std::size_t i = 0; i < now.size(); ++i)
      BOOST_TEST(all_equal(now[i].tensor, saved[i].tensor).ok(), what << " " << now[i].name);
  };
  for (int at = 1; at <= 4; ++at) {
    int calls = 0;
    BOOST_CHECK_THROW(optimizer.step([&] {
      if (++calls == at) throw std::runtime_error("from the closure");
      return closure_of(model, rosenbrock)();
    }),
                      std::runtime_error);
    check("call " + std::to_string(at));
  }
  const auto text = [&](const Evaluation& e) {
    return error_text([&] { optimizer.step([&] { return e; }); });
  };
  const std::string rest =
      "; needed finite values; nothing was changed; hint: Tape tape({.check_finite = true}) finds "
      "where it began";
  BOOST_TEST(text({.loss = nan}) == "[lbfgs] loss nan" + rest);
  BOOST_TEST(text({.loss = 1, .gradients = gradients(gradient_of(model[0], full({6}, nan)))}) ==
             "[lbfgs] gradient of a f32 [6] has 6 NaN, first at [0]" + rest);
  BOOST_TEST(text({.loss = 1, .gradients = gradients(gradient_of(model[0], ones({5})))}) ==
             "[lbfgs] gradient f32 [5] for a f32 [6]; needed the parameter's shape and dtype; "
             "hint: tape.backward(loss) makes gradients that fit");
  check("not finite");
  LBFGS plain(model.parameters(), {.line_search = LineSearch::none});
  int calls = 0;
  BOOST_TEST(error_text([&] {
               plain.step([&] {
                 return ++calls == 1 ? closure_of(model, rosenbrock)() : Evaluation{.loss = nan};
               });
             }) ==
             "[lbfgs] no finite loss or gradient along the direction; needed one; nothing was "
             "changed; hint: lbfgs.set_lr(0.1), or .line_search = LineSearch::strong_wolfe");
  BOOST_TEST(all_equal(model[0], before).ok());
}

BOOST_AUTO_TEST_CASE(goes_on_to_the_bit) {
  for (const DType dtype : {f32, f64}) {
    const auto start = [&] {
      return std::make_unique<Model>(std::initializer_list<std::pair<std::string, Tensor>>{
          {"a", full({2, 3}, -1.2, dtype)}, {"b", full({4}, 0.5, dtype)}});
    };
    const auto a = start(), b = start();
    const optim::LBFGSOptions options{.iterations = 2, .history = 4};
    LBFGS whole(a->parameters(), options), resumed(b->parameters(), options);
    for (int i = 0; i < 4; ++i) whole.step(closure_of(*a, rosenbrock));
    whole.set_lr(0.9);
    nn::copy_values(*a, *b);
    resumed.restore(whole.state());
    BOOST_TEST(resumed.steps() == 4);
    BOOST_TEST(resumed.lr() == 0.9);
    for (int i = 0; i < 4; ++i) {
      const auto x = whole.step(closure_of(*a, rosenbrock));
      const auto y = resumed.step(closure_of(*b, rosenbrock));
      BOOST_TEST(x.loss == y.loss);
      BOOST_TEST(x.evaluations == y.evaluations);
    }
    for (std::size_t i = 0; i < 2; ++i) BOOST_TEST(all_equal((*a)[i], (*b)[i]).ok());
    LBFGS fresh(b->parameters(), options);
    fresh.restore(LBFGS(a->parameters(), options).state());
    BOOST_TEST(fresh.steps() == 0);
  }
}

BOOST_AUTO_TEST_CASE(a_list_that_does_not_fit_changes_nothing) {
  Model model{{"a", full({3}, -1.2, f64)}}, other{{"b", full({3}, -1.2, f64)}};
  LBFGS optimizer(model.parameters(), {.iterations = 4, .history = 2});
  optimizer.step(closure_of(model, rosenbrock));
  const auto good = optimizer.state();
  LBFGS wrong(other.parameters(), {.history = 1});
  BOOST_TEST(error_text([&] { wrong.restore(good); }) ==
             "[lbfgs] state of another optimiser or model: pairs is 2 with a history of 1, "
             "b.frozen is missing, b.step is missing, b.gradient is missing, b.s0 is missing, b.y0 "
             "is missing, a.frozen is unknown here, a.gradient is unknown here, a.s0 is unknown "
             "here, a.s1 is unknown here, a.step is unknown here, a.y0 is unknown here, a.y1 is "
             "unknown here; needed what state() returned; hint: make optimiser or model with the "
             "same options first");
  BOOST_TEST(wrong.steps() == 0);
}

BOOST_AUTO_TEST_CASE(frozen_and_absent_parameters_stay) {
  Model model{{"a", full({3}, -1.2, f64)}, {"b", full({2}, 0.5, f64)}, {"c", ones({2}, f64)}};
  LBFGS optimizer(model.parameters(), {.iterations = 3});
  const auto loss = [&] {
    Tape tape;
    const Tensor value = rosenbrock(concat({model[0], model[1]}, 0));
    return Evaluation{.loss = value.item(), .gradients = tape.backward(value)};
  };
  optimizer.step(loss);
  BOOST_TEST(all_equal(model[2], ones({2}, f64)).ok());
  model[1].freeze();
  const Tensor b = copy_of(model[1]), a = copy_of(model[0]);
  const auto version = model[1].header()->version;
  optimizer.step(loss);
  BOOST_TEST(all_equal(model[1], b).ok());
  BOOST_TEST(model[1].header()->version == version);
  BOOST_TEST(!all_equal(model[0], a).ok());
}

BOOST_AUTO_TEST_CASE(rows_are_made_dense) {
  Model model{{"W", normal({5, 2}, 0, 1, default_rng(), f64)}};
  const Tensor values = copy_of(model[0]);
  LBFGS optimizer(model.parameters(), {.iterations = 50});
  const auto result = optimizer.step([&] {
    Tape tape;
    const Tensor value = sum(square(embedding(model[0], tensor({3, 1, 3})) - 2.0));
    Gradients g = tape.backward(value);
    BOOST_TEST(g.find(model[0])->is_sparse());
    return Evaluation{.loss = value.item(), .gradients = std::move(g)};
  });
  BOOST_TEST(result.converged);
  for (const Index row : {1, 3})
    BOOST_TEST(all_close(select(detach(model[0]), 0, row), full({2}, 2, f64)).ok());
  for (const Index row : {0, 2, 4})
    BOOST_TEST(all_equal(select(detach(model[0]), 0, row), select(values, 0, row)).ok());
}

BOOST_AUTO_TEST_CASE(the_same_bits_on_any_number_of_threads) {
  const auto run = [](Index threads) {
    const Threads limit(threads);
    Rng rng(53);
    Model model{{"a", normal({50'021}, 0, 1, rng)}};
    LBFGS optimizer(model.parameters(), {.iterations = 5});
    optimizer.step(closure_of(model, rosenbrock));
    return copy_of(model[0]);
  };
  const Tensor one = run(1);
  BOOST_TEST(all_equal(run(2), one).ok());
  BOOST_TEST(all_equal(run(4), one).ok());
}

BOOST_AUTO_TEST_CASE(what_it_refuses) {
  Model model{{"a", ones({2})}, {"b", ones({2})}};
  const auto p = model.parameters();
  BOOST_TEST(error_text([&] { LBFGS l(p, {.lr = 0}); }) == "[lbfgs] lr is 0; needed lr > 0");
  BOOST_TEST(error_text([&] { LBFGS l(p, {.iterations = 0}); }) ==
             "[lbfgs] iterations is 0; needed iterations > 0");
  BOOST_TEST(error_text([&] { LBFGS l(p, {.evaluations = -1}); }) ==
             "[lbfgs] evaluations is -1; needed evaluations >= 0");
  BOOST_TEST(error_text([&] { LBFGS l(p, {.history = 0}); }) ==
             "[lbfgs] history is 0; needed history > 0");
  BOOST_TEST(error_text([&] { LBFGS l(p, {.gradient_tolerance = NAN}); }) ==
             "[lbfgs] gradient_tolerance is nan; needed gradient_tolerance >= 0");
  BOOST_TEST(error_text([&] { LBFGS l(p, {.change_tolerance = -1}); }) ==
             "[lbfgs] change_tolerance is -1; needed change_tolerance >= 0");
  BOOST_TEST(error_text([] { LBFGS l(std::vector<Tensor>{}); }) ==
             "[lbfgs] no parameters; needed at least one; hint: model.parameters()");
  BOOST_TEST(error_text([] { LBFGS l(std::vector<Tensor>{ones({2})}); }) ==
             "[lbfgs] f32 [2] is not a parameter; needed parameters of modules; hint: "
             "model.parameters()");
  BOOST_TEST(error_text([&] {
               LBFGS l(std::vector<Tensor>{model[0], model[0]});
             }) ==
             "[lbfgs] a f32 [2] is there twice; needed each parameter once; hint: "
             "model.parameters().where(…) chooses by path");
  LBFGS optimizer(std::vector<Tensor>{model[0]});
  BOOST_TEST(optimizer.holds(model[0]));
  BOOST_TEST(error_text([&] {
               optim::check_covers(model, optimizer);
             }).starts_with("[check_covers] 1 parameter is in no group: b f32 [2];"));
  BOOST_TEST(error_text([&] { optimizer.set_lr(NAN); }) == "[lbfgs] lr is nan; needed lr > 0");
  BOOST_TEST(optimizer.describe() ==
             "lbfgs  1 parameters, 2 elements, 0 steps\n  lr 1, iterations 20, history 10\n");
  model.to(f64);
  BOOST_TEST(error_text([&] { optimizer.step([] { return Evaluation{}; }); })
                 .starts_with("[lbfgs] a f32 [2] has changed its dtype since the optimiser was "
                              "given it;"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace unroll::test
