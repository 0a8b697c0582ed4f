// backward, gradient, closing, retaining, versions.
#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/leaves.h"
#include "support/numeric.h"

namespace unroll::test {

BOOST_AUTO_TEST_SUITE(closing)

BOOST_AUTO_TEST_CASE(backward_returns_a_value_and_closes) {
  const Tensor p = make_parameter(tensor({1.0, 2.0}), "p");
  Tape tape;
  const Tensor loss = sum(p * p);
  const auto grads = tape.backward(loss);
  BOOST_TEST(all_equal(grads[p], tensor({2.0, 4.0})));
  BOOST_TEST(!tape.is_open());
  // Later operations are not recorded; values stay readable.
  const Tensor after = loss * 2.0;
  BOOST_TEST(after.item() == 10.0);
  BOOST_TEST(after.header()->tape == 0U);
  BOOST_TEST(!is_training());
}

BOOST_AUTO_TEST_CASE(backward_twice_throws) {
  const Tensor p = make_parameter(ones({2}), "p");
  Tape tape;
  const Tensor loss = sum(p);
  static_cast<void>(tape.backward(loss));
  const std::string expected =
      "this tape was closed by an earlier backward; needed an open tape; hint: one Tape per "
      "window, or "
      "backward(loss, {.retain = true}), or backward(a + b)";
  BOOST_TEST(error_text([&] { static_cast<void>(tape.backward(loss)); }) ==
             "[backward] " + expected);
  BOOST_TEST(error_text([&] { static_cast<void>(tape.gradient(loss, p)); }) ==
             "[gradient] " + expected);
}

BOOST_AUTO_TEST_CASE(retain_keeps_it_open_and_gives_the_same_bits) {
  const Tensor p = make_parameter(uniform({5, 7}, -1, 1), "p");
  Tape tape;
  const Tensor loss = sum(tanh(matmul(p, transpose(p, 0, 1))) * 0.3);
  const auto first = tape.backward(loss, {.retain = true});
  BOOST_TEST(tape.is_open());
  const auto second = tape.backward(loss, {.retain = true});
  const auto third = tape.backward(loss);
  BOOST_TEST(all_equal(first[p], second[p]));
  BOOST_TEST(all_equal(first[p], third[p]));
  BOOST_TEST(!tape.is_open());
}

// The gradient of a part is handed down as a part of a larger one, which need not live as long.
BOOST_AUTO_TEST_CASE(a_gradient_keeps_its_own_memory_alone) {
  const Tensor many = ones({1000, 1000});
  Tape tape;
  const Tensor x = tape.watch(ones({2, 1000}));
  const Tensor p = make_parameter(ones({3, 1000}), "p");
  const Tensor loss = sum(square(concat({x, many, p}, 0)));
  const Index before = memory_stats().live_bytes;
  const Tensor dx = tape.gradient(loss, x);
  const Gradients grads = tape.backward(loss, {.retain = true});
  BOOST_TEST(memory_stats().live_bytes - before < 100'000);
  BOOST_TEST(all_equal(dx, full({2, 1000}, 2)));
  BOOST_TEST(all_equal(grads[p], full({3, 1000}, 2)));
}

BOOST_AUTO_TEST_CASE(a_loss_without_history) {
  const std::string expected =
      "loss f32 [] has no history: it was computed before the tape began, or from constants; "
      "needed a value recorded on "
      "this tape; hint: create the Tape before calling the model, or tape.watch(x)";
  const Tensor before = sum(make_parameter(ones({2}), "p"));
  Tape tape;
  BOOST_TEST(error_text([&] { static_cast<void>(tape.backward(before)); }) ==
             "[backward] " + expected);
  BOOST_TEST(error_text([&] { static_cast<void>(tape.backward(sum(ones({2})))); }) ==
             "[backward] " + expected);
  BOOST_TEST(tape.is_open());
}

const std::string needed_leaf =
    "; needed a parameter that is not frozen, read on this tape; hint: ";

BOOST_AUTO_TEST_CASE(a_frozen_parameter_as_loss_or_x) {
  const Tensor p = make_parameter(tensor({2.0}), "head.p");
  const Tensor q = make_parameter(tensor({3.0}), "head.q");
  freeze(p);
  const std::string frozen =
      "head.p f32 [1] is frozen" + needed_leaf + "head.p.unfreeze() before the Tape is made";
  for (const bool read : {false, true}) {
    Tape tape;
    const Tensor y = read ? sum(p * q) : sum(q);
    BOOST_TEST(error_text([&] { static_cast<void>(tape.backward(p)); }) ==
               "[backward] loss " + frozen);
    BOOST_TEST(error_text([&] { static_cast<void>(tape.gradient(p, q)); }) ==
               "[gradient] loss " + frozen);
    BOOST_TEST(error_text([&] { static_cast<void>(tape.gradient(y, p)); }) ==
               "[gradient] x " + frozen);
    BOOST_TEST(error_text([&] {
                 static_cast<void>(tape.gradient(y, {q, p}, {.unreached = Unreached::zero}));
               }) == "[gradient] x " + frozen);
    BOOST_TEST(tape.is_open());
    BOOST_TEST(tape.gradient(y, q).item() == (read ? 2.0 : 1.0));
  }
  // Thawed too late: what this tape read is a constant of it.
  Tape tape;
  const Tensor y = sum(p * q);
  freeze(p, false);
  const std::string late = "head.p f32 [1] was read by no operation of this tape, or while frozen" +
                           needed_leaf + "create the Tape before calling the model";
  BOOST_TEST(error_text([&] { static_cast<void>(tape.backward(p)); }) == "[backward] loss " + late);
  BOOST_TEST(error_text([&] { static_cast<void>(tape.gradient(y, p)); }) == "[gradient] x " + late);
}

BOOST_AUTO_TEST_CASE(a_leaf_as_loss) {
  const Tensor p = make_parameter(tensor({2.0}), "p"), q = make_parameter(tensor({3.0}), "q");
  {
    Tape tape;
    const Tensor x = tape.watch(tensor({5.0}));
    const Tensor y = sum(p * 2.0);
    BOOST_TEST(tape.gradient(x, x).item() == 1.0);
    BOOST_TEST(tape.gradient(p, p).item() == 1.0);
    BOOST_TEST(tape.gradient(p, x, {.unreached = Unreached::zero}).item() == 0.0);
    const std::string unread = "q f32 [1] was read by no operation of this tape, or while frozen" +
                               needed_leaf + "create the Tape before calling the model";
    BOOST_TEST(error_text([&] { static_cast<void>(tape.backward(q)); }) ==
               "[backward] loss " + unread);
    BOOST_TEST(error_text([&] { static_cast<void>(tape.gradient(q, q)); }) ==
               "[gradient] loss " + unread);
    BOOST_TEST(error_text([&] { static_cast<void>(tape.gradient(y, q)); }) ==
               "[gradient] x " + unread);
    // Asking has not entered it.
    BOOST_TEST(tape.gradient(sum(q * p), q).item() == 2.0);
    BOOST_TEST(tape.gradient(x, x).item() == 1.0);
  }
  Tape tape;
  static_cast<void>(p * q);
  freeze(p);  // from the next tape on
  const auto grads = tape.backward(p);
  BOOST_TEST(grads.size() == 1);
  BOOST_TEST(grads[p].item() == 1.0);
}

BOOST_AUTO_TEST_CASE(a_loss_of_many_elements) {
  const Tensor p = make_parameter(ones({64, 32}), "p");
  Tape tape;
  const Tensor loss = p * 2.0;
  BOOST_TEST(error_text([&] { static_cast<void>(tape.backward(loss)); }) ==
             "[backward] loss f32 [64, 32]; needed one element; hint: mean(loss), or "
             "backward(loss, {.upstream = weights})");
  BOOST_TEST(tape.is_open());
  const Tensor weights = uniform({64, 32}, -1, 1);
  BOOST_CHECK_THROW(static_cast<void>(tape.backward(loss, {.upstream = ones({32})})), Error);
  BOOST_CHECK_THROW(static_cast<void>(tape.backward(loss, {.upstream = weights.to(f64)})), Error);
  BOOST_TEST(all_equal(tape.backward(loss, {.upstream = weights})[p], weights * 2.0));
}

BOOST_AUTO_TEST_CASE(undefined_tensors_are_named) {
  Tape tape;
  const Tensor x = tape.watch(ones({1}));
  BOOST_CHECK_THROW(static_cast<void>(tape.backward(Tensor{})), Error);
  BOOST_CHECK_THROW(static_cast<void>(tape.gradient(x, Tensor{})), Error);
}

BOOST_AUTO_TEST_CASE(gradient_has_three_forms_and_never_closes) {
  Tape tape;
  const Tensor x = tape.watch(tensor({2.0}));
  const Tensor w = tape.watch(tensor({5.0}));
  const Tensor y = sum(x * x * w);
  const Tensor one = tape.gradient(y, x);
  const Tensor braces = tape.gradient(y, {x});
  auto [gx, gw] = tape.gradient(y, {x, w});
  const std::vector<Tensor> list{w, x, w};
  const auto all = tape.gradient(y, list);
  BOOST_TEST(one.item() == 20.0);
  BOOST_TEST(braces.item() == 20.0);
  BOOST_TEST(gx.item() == 20.0);
  BOOST_TEST(gw.item() == 4.0);
  BOOST_REQUIRE(all.size() == 3U);
  BOOST_TEST(all[0].item() == 4.0);
  BOOST_TEST(all[1].item() == 20.0);
  BOOST_TEST(all[2].item() == 4.0);
  BOOST_TEST(tape.is_open());
}

BOOST_AUTO_TEST_CASE(gradient_with_respect_to_intermediates_and_to_itself) {
  Tape tape;
  const Tensor x = tape.watch(tensor({2.0}));
  const Tensor h = x * x;
  const Tensor y = sum(h * h);
  auto [gx, gh, gy] = tape.gradient(y, {x, h, y});
  BOOST_TEST(gx.item() == 32.0);
  BOOST_TEST(gh.item() == 8.0);
  BOOST_TEST(gy.item() == 1.0);
  BOOST_TEST(tape.gradient(x, x).item() == 1.0);
}

BOOST_AUTO_TEST_CASE(gradient_with_respect_to_what_is_not_on_the_tape) {
  Tape tape;
  const Tensor x = tape.watch(tensor({2.0}));
  const Tensor y = sum(x * x);
  BOOST_TEST(error_text([&] { static_cast<void>(tape.gradient(y, ones({3}))); }) ==
             "[gradient] x f32 [3] is not on this tape; needed a tensor recorded or watched on it, "
             "or a parameter that was "
             "read; hint: Tensor w = tape.watch(x), then use w");
}

BOOST_AUTO_TEST_CASE(unreached_is_an_error_unless_zero_is_asked_for) {
  Tape tape;
  const Tensor x = tape.watch(tensor({2.0}));
  const Tensor other = tape.watch(ones({2, 2}, f64));
  const Tensor y = sum(x * x);
  const Tensor later = tanh(x);  // recorded after y
  BOOST_CHECK_THROW(static_cast<void>(tape.gradient(y, other)), Error);
  BOOST_CHECK_THROW(static_cast<void>(tape.gradient(y, later)), Error);
  BOOST_TEST(
      all_equal(tape.gradient(y, other, {.unreached = Unreached::zero}), zeros({2, 2}, f64)));
  auto [gx, go] = tape.gradient(y, {x, other}, {.unreached = Unreached::zero});
  BOOST_TEST(gx.item() == 4.0);
  BOOST_TEST(go.shape() == (Shape{2, 2}));
}

// An operation that throws has recorded nothing, whatever it had recorded by then.
BOOST_AUTO_TEST_CASE(a_recorded_gradient_that_throws_leaves_the_tape_as_it_was) {
  const Tensor p = make_parameter(tensor({3.0, 4.0}), "p");
  const auto program = [&](Tape& tape, bool fail) {
    const Tensor x = tape.watch(tensor({1.0, 2.0}));
    const Tensor z = tape.watch(ones({2}));
    const Tensor a = x * p;
    const Tensor b = a * a * x;
    const Tensor y = sum(b * x);
    if (fail) {
      const Index before = tape.nodes();
      for (int k = 0; k < 2; ++k) {
        BOOST_CHECK_THROW(static_cast<void>(tape.gradient(y, {x, z}, {.differentiable = true})),
                          Error);
        BOOST_TEST(tape.nodes() == before);
      }
    }
    const Tensor g = tape.gradient(y, x, {.differentiable = true});
    const auto grads = tape.backward(sum(g * g));
    return std::pair{detach(g), grads[p]};
  };
  const auto run = [&](bool fail) {
    Tape tape;
    return program(tape, fail);
  };
  const auto [g, gp] = run(true);
  const auto [expected_g, expected_gp] = run(false);
  BOOST_TEST(all_equal(g, expected_g));
  BOOST_TEST(all_equal(gp, expected_gp));
}

// The same where a rule itself throws.
BOOST_AUTO_TEST_CASE(a_recorded_gradient_that_is_not_finite_leaves_the_tape_as_it_was) {
  Tape tape({.check_finite = true});
  const Tensor x = tape.watch(tensor({0.0}));
  const Tensor y = sum(tanh(sqrt(x * 1.0)));
  const Index before = tape.nodes();
  BOOST_CHECK_THROW(static_cast<void>(tape.gradient(y, x, {.differentiable = true})), Error);
  BOOST_TEST(tape.nodes() == before);
  const Tensor weights = make_parameter(tensor({2.0}), "weights");
  const Tensor w = sum(x * x + x);
  const Tensor g = tape.gradient(w, x, {.upstream = sum(weights), .differentiable = true});
  BOOST_TEST(g.item() == 2.0);
  BOOST_TEST(tape.gradient(g, weights).item() == 1.0);
}

BOOST_AUTO_TEST_CASE(upstream_may_be_any_layout) {
  Tape tape;
  const Tensor x = tape.watch(uniform({3, 4}, -1, 1, f64));
  const Tensor w = transpose(uniform({4, 3}, -1, 1, f64), 0, 1);
  BOOST_TEST(all_close(tape.gradient(square(x), x, {.upstream = w}), 2.0 * detach(x) * w,
                       {.relative = 1e-14}));
  const Tensor even = expand(full({1, 1}, 2, f64), {3, 4});
  BOOST_TEST(all_close(tape.gradient(square(x), x, {.upstream = even}), 4.0 * detach(x),
                       {.relative = 1e-14}));
}

// The tensor given as upstream, and what is handed out, are values: nobody writes to them
// afterwards.
BOOST_AUTO_TEST_CASE(upstream_and_results_are_not_written_to) {
  Tape tape;
  const Tensor x = tape.watch(ones({4, 4}, f64));
  const Tensor w = uniform({4, 4}, -1, 1, f64);
  const Tensor copy = from(w.span<double>(), {4, 4});
  const Tensor y = x + matmul(x, x);
  const Tensor first = tape.gradient(y, x, {.upstream = w});
  const Tensor kept = from(first.span<double>(), {4, 4});
  static_cast<void>(tape.gradient(y + x * x, x, {.upstream = first}));
  static_cast<void>(tape.gradient(y, x, {.upstream = w, .differentiable = true}));
  BOOST_TEST(all_equal(w, copy));
  BOOST_TEST(all_equal(first, kept));
}

BOOST_AUTO_TEST_CASE(a_parameter_that_was_changed_is_noticed_by_name) {
  const Tensor p = make_parameter(tensor({1.0, 2.0}), "head.W");
  Tape tape;
  const Tensor loss = sum(p * p);
  overwrite(p, 7, 12);
  BOOST_TEST(error_text([&] { static_cast<void>(tape.backward(loss)); }) ==
             "[backward] head.W was changed (optimizer step 12) after this tape read it; needed "
             "its old value; hint: call "
             "backward before step, or open a new Tape");
  BOOST_TEST(error_text([&] { static_cast<void>(tanh(p)); }) ==
             "[tanh] head.W was changed (optimizer step 12) after this tape read it; needed its "
             "old value; hint: call "
             "backward before step, or open a new Tape");
  Tape fresh;
  BOOST_TEST(fresh.backward(sum(p * p))[p].span<float>()[0] == 14.0F);
}

BOOST_AUTO_TEST_CASE(step_after_the_last_backward_is_legal) {
  const Tensor p = make_parameter(tensor({1.0}), "p");
  Tape tape;
  const Tensor loss = sum(p * p);
  static_cast<void>(tape.backward(loss));
  overwrite(p, 3, 1);
  BOOST_TEST(tanh(p).item() > 0.99);  // closed: not recorded, not checked
}

BOOST_AUTO_TEST_CASE(views_of_a_parameter_share_its_version) {
  const Tensor p = make_parameter(ones({2, 2}), "p");
  const Tensor outside = select(p, 0, 0);
  Tape tape;
  const Tensor x = tape.watch(outside);
  const Tensor loss = sum(x * x);
  overwrite(p, 7, 1);
  BOOST_CHECK_THROW(static_cast<void>(tape.backward(loss)), Error);
}

BOOST_AUTO_TEST_CASE(only_the_parameters_asked_for) {
  const Tensor a = make_parameter(tensor({2.0}), "a");
  const Tensor b = make_parameter(tensor({3.0}), "b");
  const Tensor unused = make_parameter(tensor({3.0}), "unused");
  Tape tape;
  const std::vector<Tensor> asked{b, unused};
  const auto grads = tape.backward(sum(a * b), asked);
  BOOST_TEST(grads.size() == 1);
  BOOST_TEST(grads[b].item() == 2.0);
  BOOST_TEST(!grads.contains(a));
  BOOST_CHECK_THROW(static_cast<void>(grads[a]), Error);
}

BOOST_AUTO_TEST_CASE(memory_is_given_back_when_the_tape_closes) {
  const Tensor p = make_parameter(uniform({256, 256}, -1, 1), "p");
  const Index before = memory_stats().live_bytes;
  {
    Tape tape;
    Tensor h = p;
    for (int k = 0; k < 50; ++k) h = tanh(h * 1.1);
    const Tensor loss = sum(h);
    h = {};
    BOOST_TEST(memory_stats().live_bytes > before + 40 * 256 * 256 * 4);
    auto grads = tape.backward(loss);
    grads = {};
    BOOST_TEST(memory_stats().live_bytes < before + 5 * 256 * 256 * 4);
  }
  BOOST_TEST(memory_stats().live_bytes == before);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
