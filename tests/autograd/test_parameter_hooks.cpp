// Hooks on the gradients of parameters, and the handles that hold them.
#include <string>

#include <boost/test/unit_test.hpp>

#include "support/leaves.h"

namespace unroll::test {
namespace {

Tensor points() { return tensor({-1.5, -0.25, 0.5, 2.0}, f64); }

GradientHook scaled(double by) {
  return [by](const Tensor& g) { return by * g; };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(parameter_hooks)

BOOST_AUTO_TEST_CASE(they_are_of_every_tape) {
  const Tensor W = make_parameter(points(), "W"), V = make_parameter(points(), "V");
  std::vector<std::string> calls;
  HookHandle on_w = hook_parameter(W, [&](const Tensor& g) {
    calls.push_back("W");
    return 2.0 * g;
  });
  HookHandle on_v = hook_parameter(V, [&](const Tensor&) { calls.push_back("V"); });
  for (int window = 0; window < 2; ++window) {
    Tape tape;
    const Tensor y = sum(V * W * W);
    tape.on_gradient(W, [&](const Tensor& g) {
      calls.push_back("tape");
      return g + 1.0;
    });
    const auto grads = tape.backward(y, {.retain = true});
    BOOST_TEST(all_equal(grads[W], 2.0 * (2.0 * square(points()) + 1.0)).ok());
    BOOST_TEST((calls == std::vector<std::string>{"V", "tape", "W"}));
    calls.clear();
    // Only where the gradient of this parameter is asked for.
    static_cast<void>(tape.backward(y, std::vector{V}, {.retain = true}));
    BOOST_TEST((calls == std::vector<std::string>{"V", "tape"}));
    calls.clear();
    const Tensor g = tape.gradient(y, V, {.differentiable = true});
    BOOST_TEST((calls == std::vector<std::string>{"V", "tape"}));
    calls.clear();
  }
  on_w.remove();
  Tape tape;
  BOOST_TEST(all_equal(tape.backward(sum(W * V))[W], points()).ok());
  BOOST_TEST((calls == std::vector<std::string>{"V"}));
}

BOOST_AUTO_TEST_CASE(handles) {
  Tensor W = make_parameter(points(), "W");
  const auto gradient = [&] {
    Tape tape;
    return select(tape.backward(sum(W))[W], 0, 0).item();
  };
  {
    HookHandle a = hook_parameter(W, scaled(2)), b = hook_parameter(W, scaled(3));
    BOOST_TEST(gradient() == 6);
    HookHandle moved = std::move(a);
    BOOST_TEST(gradient() == 6);
    moved = std::move(b);  // removes what it held
    BOOST_TEST(gradient() == 3);
    moved.remove();
    moved.remove();
    BOOST_TEST(gradient() == 1);
  }
  hook_parameter(W, scaled(5)).keep();
  { const HookHandle gone = hook_parameter(W, scaled(7)); }
  BOOST_TEST(gradient() == 5);
  HookHandle survivor = hook_parameter(W, scaled(2));
  W = Tensor();
  survivor.remove();
}

BOOST_AUTO_TEST_CASE(hooks_may_remove_and_add_hooks) {
  const Tensor W = make_parameter(points(), "W");
  HookHandle first, second, added;
  int firsts = 0, seconds = 0, thirds = 0;
  first = hook_parameter(W, [&](const Tensor&) {
    ++firsts;
    second.remove();
    first.remove();
    added = hook_parameter(W, [&](const Tensor&) { ++thirds; });
  });
  second = hook_parameter(W, [&](const Tensor&) { ++seconds; });
  for (int window = 0; window < 3; ++window) {
    Tape tape;
    static_cast<void>(tape.backward(sum(W)));
  }
  BOOST_TEST(firsts == 1);
  BOOST_TEST(seconds == 0);
  BOOST_TEST(thirds == 2);

  Tape tape;
  const Tensor x = tape.watch(points());
  const Tensor h = x * x;
  int of_x = 0;
  tape.on_gradient(h, [&](const Tensor&) {
    tape.on_gradient(x, [&](const Tensor&) { ++of_x; });
    for (int i = 0; i < 100; ++i) tape.on_gradient(tape.watch(points()), [](const Tensor&) {});
  });
  static_cast<void>(tape.gradient(sum(h), x));
  static_cast<void>(tape.gradient(sum(h), x));
  BOOST_TEST(of_x >= 1);
}

BOOST_AUTO_TEST_CASE(rows_of_a_table_stay_rows_unless_replaced) {
  const Tensor table = make_parameter(reshape(arange(8, f64), {4, 2}), "embed.W");
  const Tensor ids = tensor({1, 3, 1});
  const Tensor expected = tensor({{0.0, 0.0}, {2.0, 2.0}, {0.0, 0.0}, {1.0, 1.0}}, f64);
  std::vector<Tensor> seen;
  HookHandle look = hook_parameter(table, [&](const Tensor& g) { seen.push_back(g); });
  {
    Tape tape;
    tape.on_gradient(table, [&](const Tensor& g) { seen.push_back(g); });
    const auto grads = tape.backward(sum(embedding(table, ids)));
    BOOST_TEST(grads.find(table)->is_sparse());
    BOOST_TEST(all_equal(grads[table], expected).ok());
  }
  BOOST_REQUIRE(seen.size() == 2);
  for (const Tensor& g : seen) BOOST_TEST(all_equal(g, expected).ok());
  seen.clear();
  HookHandle freeze_row = hook_parameter(table, [](const Tensor& g) {
    return g * tensor({{1.0}, {0.0}, {1.0}, {1.0}}, f64);
  });
  Tape tape;
  const auto grads = tape.backward(sum(embedding(table, ids)));
  BOOST_TEST(!grads.find(table)->is_sparse());
  BOOST_TEST(!grads.find(table)->sparse.values.defined());
  BOOST_TEST(
      all_equal(grads[table], tensor({{0.0, 0.0}, {0.0, 0.0}, {0.0, 0.0}, {1.0, 1.0}}, f64)).ok());
  BOOST_TEST(seen.size() == 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
