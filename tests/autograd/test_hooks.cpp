// Hooks on gradients: what they see, what they replace, what they must leave alone.
#include <unroll/autograd/leaf.h>

#include <memory>
#include <string>

#include <boost/test/unit_test.hpp>

#include "support/leaves.h"
#include "support/scale_gradient.h"

namespace unroll::test {
namespace {

Tensor points() { return tensor({-1.5, -0.25, 0.5, 2.0}, f64); }

GradientHook scaled(double by) {
  return [by](const Tensor& g) { return by * g; };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hooks)

BOOST_AUTO_TEST_CASE(hook_sees_the_gradient_of_an_intermediate_value) {
  Tape tape;
  const Tensor x = tape.watch(points());
  const Tensor h = tanh(x);
  std::vector<Tensor> seen;
  tape.on_gradient(h, [&](const Tensor& g) { seen.push_back(g); });
  const Tensor y = sum(h * h);
  const Tensor g = tape.gradient(y, x);
  BOOST_REQUIRE(seen.size() == 1);
  BOOST_TEST(all_equal(seen[0], 2.0 * h).ok());
  BOOST_TEST(all_close(g, 2.0 * h * (1.0 - h * h), {.relative = 1e-15}).ok());
  BOOST_TEST(!seen[0].header()->is(detail::Header::pinned));
}

BOOST_AUTO_TEST_CASE(hook_replaces_what_flows_on) {
  for (const bool differentiable : {false, true}) {
    Tape tape;
    const Tensor x = tape.watch(points());
    const Tensor h = tanh(x);
    tape.on_gradient(h, [](const Tensor& g) { return clamp(g, {.low = -1, .high = 1}); });
    const Tensor g = tape.gradient(sum(3.0 * h), x, {.differentiable = differentiable});
    BOOST_TEST(all_close(g, 1.0 - h * h, {.relative = 1e-15}).ok());
    // Asked for itself, it is what the hook made of it.
    const Tensor of_h = tape.gradient(sum(3.0 * h), h, {.differentiable = differentiable});
    BOOST_TEST(all_equal(of_h, ones({4}, f64)).ok());
  }
}

BOOST_AUTO_TEST_CASE(several_hooks_in_order_of_registration) {
  Tape tape;
  const Tensor x = tape.watch(points());
  const Tensor h = x * x;
  std::vector<double> seen;
  const auto look = [&](const Tensor& g) { seen.push_back(select(g, 0, 0).item()); };
  tape.on_gradient(h, look);
  tape.on_gradient(h, [](const Tensor& g) { return g + 1.0; });
  tape.on_gradient(h, look);
  tape.on_gradient(h, [](const Tensor& g) { return g * 10.0; });
  tape.on_gradient(h, [](const Tensor&) { return Tensor(); });
  tape.on_gradient(h, look);
  const Tensor g = tape.gradient(sum(h), x);
  BOOST_TEST((seen == std::vector<double>{1, 2, 20}));
  BOOST_TEST(all_equal(g, 40.0 * points()).ok());
}

// Once, with everything added up: of a value used by several, of a weight gathered over steps.
BOOST_AUTO_TEST_CASE(gradient_is_complete_and_seen_once) {
  Rng rng(3);
  const Tensor w0 = uniform({3, 3}, -1, 1, rng, f64), h0 = uniform({2, 3}, -1, 1, rng, f64);
  for (const bool differentiable : {false, true}) {
    Tape tape;
    const Tensor w = tape.watch(w0);
    const Tensor dropped = w * 2.0;
    Tensor h = tape.watch(h0);
    const Tensor start = h;
    for (int t = 0; t < 5; ++t) h = tanh(matmul(h, dropped) + start);
    std::vector<Tensor> of_w, of_h;
    tape.on_gradient(dropped, [&](const Tensor& g) { of_w.push_back(g); });
    tape.on_gradient(start, [&](const Tensor& g) { of_h.push_back(g); });
    const auto found = tape.gradient(sum(h), {w, start}, {.differentiable = differentiable});
    BOOST_REQUIRE(of_w.size() == 1);
    BOOST_REQUIRE(of_h.size() == 1);
    BOOST_TEST(all_close(of_w[0] * 2.0, found[0], {.relative = 1e-14}).ok());
    BOOST_TEST(all_equal(of_h[0], found[1]).ok());
  }
}

// Where gradients share memory when nobody looks: regions of a root, addends of sums.
BOOST_AUTO_TEST_CASE(hooks_on_views_and_on_addends) {
  Rng rng(8);
  const Tensor x0 = uniform({4, 6}, -1, 1, rng, f64), w0 = uniform({3, 3}, -1, 1, rng, f64);
  for (const bool differentiable : {false, true})
    for (int where = 0; where < 6; ++where) {
      const auto graph = [&](const auto& at) {
        return [&, at](const Tensor& x, const Tensor& w) {
          const Tensor root = at(0, tanh(x));
          const auto halves = split<2>(root, -1);
          const Tensor left = at(1, halves[0]);
          const Tensor rows = at(2, slice(left, {.axis = 0, .from = 1, .to = 3}));
          const Tensor addend = at(3, rows * 1.5);
          const Tensor y = at(4, affine(rows, w, addend));
          const Tensor joined = at(5, stack({y, rows, y}, 0));
          return sum(square(joined)) + sum(halves[1] * left);
        };
      };
      Tape tape;
      const Tensor x = tape.watch(x0), w = tape.watch(w0);
      const auto hook_at = [&](int here, const Tensor& v) {
        if (here == where) tape.on_gradient(v, scaled(-3));
        return v;
      };
      // What such a hook does, as an operation.
      const auto op_at = [&](int here, const Tensor& v) {
        return here == where ? scale_gradient(v, {.by = -3}) : v;
      };
      const auto mine =
          tape.gradient(graph(hook_at)(x, w), {x, w}, {.differentiable = differentiable});
      const auto expected = tape.gradient(graph(op_at)(x, w), {x, w});
      BOOST_TEST_CONTEXT("hook at " << where)
      for (std::size_t i = 0; i < 2; ++i)
        BOOST_TEST(all_close(mine[i], expected[i], {.relative = 1e-13}).ok());
    }
}

BOOST_AUTO_TEST_CASE(what_a_hook_computes_is_differentiated) {
  Tape tape;
  const Tensor x = tape.watch(points());
  tape.on_gradient(x, [](const Tensor& g) { return g * g; });
  const Tensor g = tape.gradient(sum(x * x * x), x, {.differentiable = true});  // 9 x⁴
  BOOST_TEST(all_close(g, 9.0 * square(square(points()))).ok());
  // The hook squares once more: (36 x³)².
  const Tensor second = tape.gradient(sum(g), x);
  BOOST_TEST(all_close(second, square(36.0 * points() * square(points()))).ok());
}

BOOST_AUTO_TEST_CASE(hook_is_enough_to_ask) {
  const Tensor W = make_parameter(points(), "W");
  Tape tape;
  const Tensor x = tape.watch(points());
  const Tensor aside = exp(x), y = sum(x * W);
  std::vector<Tensor> seen;
  int others = 0;
  tape.on_gradient(x, [&](const Tensor& g) { seen.push_back(g); });
  tape.on_gradient(aside, [&](const Tensor&) { ++others; });
  const auto grads = tape.backward(y, {.retain = true});
  BOOST_TEST(grads.size() == 1);
  BOOST_TEST(seen.size() == 1);
  static_cast<void>(tape.gradient(y, W));
  BOOST_REQUIRE(seen.size() == 2);
  for (const Tensor& g : seen) BOOST_TEST(all_equal(g, points()).ok());
  BOOST_TEST(others == 0);  // y does not depend on it
  static_cast<void>(tape.gradient(sum(aside), aside));
  BOOST_TEST(others == 1);
  BOOST_TEST(all_close(seen.back(), exp(points()), {.relative = 1e-15}).ok());
}

BOOST_AUTO_TEST_CASE(hook_on_the_loss_and_on_a_leaf_that_is_it) {
  Tape tape;
  const Tensor x = tape.watch(points());
  const Tensor y = sum(x);
  tape.on_gradient(y, scaled(5));
  BOOST_TEST(all_equal(tape.gradient(y, x), full({4}, 5, f64)).ok());
  tape.on_gradient(x, scaled(2));
  BOOST_TEST(all_equal(tape.gradient(x, x, {.upstream = points()}), 2.0 * points()).ok());
  BOOST_TEST(all_equal(tape.gradient(y, x), full({4}, 10, f64)).ok());
}

// Neither a constant nor a parameter that a hook returns is written to or handed out.
BOOST_AUTO_TEST_CASE(what_a_hook_returns_stays_the_users) {
  const Tensor W = make_parameter(points(), "W");
  const Tensor constant = ones({4}, f64);
  Tape tape;
  const Tensor a = tape.watch(points());
  const Tensor b = a * 1.0;
  const Tensor c = b + a;
  tape.on_gradient(c, [&](const Tensor&) { return constant; });
  tape.on_gradient(b, [&](const Tensor&) { return W; });
  const Tensor g = tape.gradient(sum(c * b), {a, b})[1];
  BOOST_TEST(all_equal(constant, ones({4}, f64)).ok());
  BOOST_TEST(all_equal(g, points()).ok());
  overwrite(W, 9, 1);
  BOOST_TEST(all_equal(g, points()).ok());
}

// What is hooked within a function that runs again is hooked once.
BOOST_AUTO_TEST_CASE(hooks_within_recomputation) {
  Tape tape;
  const Tensor x = tape.watch(points());
  std::vector<Tensor> seen;
  int runs = 0;
  const auto f = [&](const Tensor& in) {
    ++runs;
    const Tensor h = tanh(in);
    on_gradient(h, [&](const Tensor& g) {
      seen.push_back(g);
      return 3.0 * g;
    });
    return h * h;
  };
  const Tensor y = sum(recompute(f, x));
  const Tensor h = detach(tanh(x));
  for (const bool differentiable : {false, true}) {
    const Tensor g = tape.gradient(y, x, {.differentiable = differentiable});
    BOOST_REQUIRE(seen.size() == 1);
    BOOST_TEST(all_equal(seen[0], 2.0 * h).ok());
    BOOST_TEST(all_close(g, 6.0 * h * (1.0 - h * h), {.relative = 1e-14}).ok());
    seen.clear();
  }
  BOOST_TEST(runs > 1);
}

// A gradient that only hooks ask for goes once it was passed on.
BOOST_AUTO_TEST_CASE(nothing_is_held_for_hooks_alone) {
  Tape tape;
  const Tensor x = tape.watch(points());
  const Tensor low = tanh(x), middle = low * low, high = middle * x;
  Tensor kept;
  tape.on_gradient(high, [&](const Tensor& g) {
    kept = g * 1.0;
    return kept;
  });
  tape.on_gradient(middle, [&](const Tensor& g) { kept = g; });
  std::uint32_t holders = 0;
  tape.on_gradient(low, [&](const Tensor&) { holders = kept.header()->references.load(); });
  static_cast<void>(tape.gradient(sum(square(high)), x));
  BOOST_TEST(holders == 1);
}

BOOST_AUTO_TEST_CASE(gradient_can_be_read_as_a_span) {
  Tape tape;
  const Tensor x = tape.watch(reshape(points(), {2, 2}));
  const Tensor h = x * x;
  std::vector<double> seen;
  const auto read = [&](const Tensor& g) {
    const auto all = g.span<double>();
    seen.assign(all.begin(), all.end());
  };
  tape.on_gradient(h, read);
  const Tensor with_gaps = transpose(tensor({{1.0, 2.0}, {3.0, 4.0}}, f64), 0, 1);
  static_cast<void>(tape.gradient(h, x, {.upstream = with_gaps}));
  BOOST_TEST((seen == std::vector<double>{1, 3, 2, 4}));
  seen.clear();
  tape.on_gradient(x, read);
  static_cast<void>(tape.gradient(x, x, {.upstream = with_gaps}));
  BOOST_TEST((seen == std::vector<double>{1, 3, 2, 4}));
}

BOOST_AUTO_TEST_CASE(hook_without_a_tape_at_hand) {
  int calls = 0;
  on_gradient(points(), [&](const Tensor&) { ++calls; });
  Tape tape;
  const Tensor x = tape.watch(points());
  on_gradient(x, [&](const Tensor&) { ++calls; });
  {
    const auto off = tape.pause();
    on_gradient(x, [&](const Tensor&) { ++calls; });
  }
  static_cast<void>(tape.gradient(sum(x * x), x));
  BOOST_TEST(calls == 1);
}

BOOST_AUTO_TEST_CASE(hooks_go_with_the_history) {
  const auto held = std::make_shared<int>(1);
  Tape tape;
  const Tensor x = tape.watch(points());
  const Tensor W = make_parameter(points(), "W");
  const Tensor y = sum(x * W);
  tape.on_gradient(x, [held](const Tensor&) {});
  static_cast<void>(tape.backward(y, {.retain = true}));
  BOOST_TEST(held.use_count() == 2);
  static_cast<void>(tape.backward(y));
  BOOST_TEST(held.use_count() == 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
