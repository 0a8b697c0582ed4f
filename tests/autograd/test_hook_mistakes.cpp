// What goes wrong in hooks on gradients, and what is said then.
#include <stdexcept>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/leaves.h"

namespace unroll::test {
namespace {

Tensor points() { return tensor({-1.5, -0.25, 0.5, 2.0}, f64); }

}  // namespace

BOOST_AUTO_TEST_SUITE(hook_mistakes)

BOOST_AUTO_TEST_CASE(what_a_hook_throws) {
  const Tensor W = make_parameter(points(), "W");
  bool fails = true;
  const auto failing = [&](const Tensor&) {
    if (fails) throw std::domain_error("not today");
  };
  HookHandle of_parameter = hook_parameter(W, failing);
  Tape tape;
  const Tensor x = tape.watch(points());
  const Tensor h = x * W;
  const Tensor y = sum(h * h);
  const Index nodes = tape.nodes();
  const auto check_open = [&] {
    BOOST_TEST(tape.is_open());
    BOOST_TEST(tape.nodes() == nodes);
    fails = false;
    BOOST_TEST(
        all_close(tape.backward(y, {.retain = true})[W], 2.0 * points() * square(points())).ok());
    fails = true;
  };
  BOOST_CHECK_THROW(static_cast<void>(tape.backward(y, {.retain = true})), std::domain_error);
  check_open();
  of_parameter.remove();
  tape.on_gradient(h, failing);
  BOOST_CHECK_THROW(static_cast<void>(tape.backward(y, {.retain = true})), std::domain_error);
  check_open();
  for (const bool differentiable : {false, true}) {
    BOOST_CHECK_THROW(static_cast<void>(tape.gradient(y, x, {.differentiable = differentiable})),
                      std::domain_error);
    check_open();
  }
  BOOST_CHECK_THROW(static_cast<void>(tape.backward(y)), std::domain_error);
  BOOST_TEST(!tape.is_open());
  BOOST_TEST(all_equal(W, points()).ok());
}

BOOST_AUTO_TEST_CASE(tapes_inside_a_hook_are_their_own_matter) {
  Tape tape;
  const Tensor x = tape.watch(points());
  // Its rule would record, were there a tape.
  constexpr CustomOp<1> my_square{
      .name = "my_square",
      .forward = [](const auto& in) { return in[0] * in[0]; },
      .derivative = [](const auto& saved,
                       const Tensor& dy) { return std::array{2.0 * dy * saved.inputs[0]}; },
      .saves = Saves::inputs};
  const Tensor h = tanh(my_square(x));
  tape.on_gradient(h, [](const Tensor& g) {
    Tape inner;
    const Tensor v = inner.watch(g);
    return inner.gradient(sum(v * v), v);
  });
  const Tensor y = sum(h);
  const Index nodes = tape.nodes();
  const Tensor g = tape.gradient(y, x);
  BOOST_TEST(tape.nodes() == nodes);
  static_cast<void>(x * x);
  BOOST_TEST(tape.nodes() == nodes + 1);
  BOOST_TEST(all_close(g, 4.0 * points() * (1.0 - h * h)).ok());
}

BOOST_AUTO_TEST_CASE(hook_may_not_run_the_tape_that_runs_it) {
  Tape tape;
  const Tensor x = tape.watch(points());
  const Tensor h = x * x;
  const Tensor y = sum(h);
  const std::string rest =
      " a call by a hook or a derivative that this tape runs; needed one pass over a tape at a "
      "time; hint: keep the tensor, and call it after the pass";
  std::string text;
  tape.on_gradient(h, [&](const Tensor&) {
    text = error_text([&] { static_cast<void>(tape.gradient(y, x)); });
    text += error_text([&] { static_cast<void>(tape.backward(y)); });
  });
  static_cast<void>(tape.gradient(y, x));
  BOOST_TEST(text == "[gradient]" + rest + "[backward]" + rest);
  BOOST_TEST(tape.is_open());
}

BOOST_AUTO_TEST_CASE(replacements_that_do_not_fit) {
  const Tensor W = make_parameter(points(), "head.W");
  const double nan = std::numeric_limits<double>::quiet_NaN();
  // The hook on what `which` gives for (tape, x, y); on the parameter where that is undefined.
  const auto text = [&](const GradientHook& hook, const auto& which, double upstream = 1) {
    Tape tape;
    const Tensor x = tape.watch(points());
    const Tensor y = tanh(x * W);
    const Tensor hooked = which(tape, x, y);
    HookHandle on_parameter;
    if (hooked.defined())
      tape.on_gradient(hooked, hook);
    else
      on_parameter = hook_parameter(W, hook);
    return error_text(
        [&] { static_cast<void>(tape.backward(y, {.upstream = full({4}, upstream, f64)})); });
  };
  const auto of_parameter = [](Tape&, const Tensor&, const Tensor&) { return Tensor(); };
  const auto of_y = [](Tape&, const Tensor&, const Tensor& y) { return y; };
  const auto of_x = [](Tape&, const Tensor& x, const Tensor&) { return x; };
  const auto named = [](Tape& tape, const Tensor&, const Tensor& y) {
    tape.name(y, "hidden");
    return y;
  };
  const GradientHook wrong_shape = [](const Tensor&) { return zeros({3}, f64); };
  const GradientHook wrong_dtype = [](const Tensor& g) { return g.to(f32); };
  const GradientHook not_finite = [&](const Tensor& g) { return g * nan; };
  const std::string same =
      "; needed the same shape and dtype; hint: a hook that only looks returns nothing";
  BOOST_TEST(text(wrong_shape, of_y) ==
             "[on_gradient] a hook on the gradient of tanh f64 [4] returned f64 [3]" + same);
  BOOST_TEST(text(wrong_dtype, named) ==
             "[on_gradient] a hook on the gradient of hidden f64 [4] returned f32 [4]" + same);
  BOOST_TEST(text(wrong_shape, of_x) ==
             "[on_gradient] a hook on the gradient of a watched tensor f64 [4] returned f64 [3]" +
                 same);
  BOOST_TEST(text(wrong_shape, of_parameter) ==
             "[on_gradient] a hook on the gradient of head.W f64 [4] returned f64 [3]" + same);
  BOOST_TEST(text(not_finite, of_parameter) ==
             "[on_gradient] a hook on the gradient of head.W f64 [4] returned 4 NaN, first at [0]; "
             "needed finite values where the gradient is finite; hint: where(g == 0.0, g, …)");
  // What was not finite before may stay so.
  BOOST_TEST(text(not_finite, of_y, nan) == "");
}

BOOST_AUTO_TEST_CASE(replacement_of_another_tape) {
  Tensor stale;
  {
    Tape ended;
    stale = ended.watch(points()) * 1.0;
  }
  Tape tape;
  const Tensor x = tape.watch(points());
  tape.on_gradient(x, [&](const Tensor&) { return stale; });
  // As a value where nothing is recorded, not at all where it is.
  BOOST_TEST(all_equal(tape.gradient(sum(x), x), points()).ok());
  BOOST_TEST(error_text([&] {
               static_cast<void>(tape.gradient(sum(x), x, {.differentiable = true}));
             }).starts_with("[on_gradient] f64 [4] belongs to a tape that has ended"));
}

BOOST_AUTO_TEST_CASE(values_that_cannot_be_hooked) {
  const auto look = [](const Tensor&) {};
  Tensor stale;
  {
    Tape ended;
    stale = ended.watch(points()) * 1.0;
  }
  const Tensor W = make_parameter(points(), "head.W");
  freeze(W);
  Tape tape;
  const std::string rest = "; needed a tensor recorded or watched on it, or a parameter; hint: ";
  check_text([&] { tape.on_gradient(points(), look); },
             "[on_gradient] x f64 [4] has no history on this tape" + rest +
                 "Tensor w = tape.watch(x), then use w");
  BOOST_CHECK_NO_THROW(on_gradient(points(), look));
  BOOST_CHECK_NO_THROW(on_gradient(W, look));
  check_text([&] { tape.on_gradient(W, look); }, "[on_gradient] head.W f64 [4] is frozen" + rest +
                                                     "unfreeze() before the Tape is made");
  BOOST_TEST(error_text([&] {
               tape.on_gradient(stale, look);
             }).starts_with("[on_gradient] f64 [4] belongs to a tape that has ended"));
  BOOST_TEST(error_text([&] {
               tape.on_gradient(Tensor(), look);
             }).starts_with("[on_gradient] x is undefined"));
  check_text([&] { static_cast<void>(hook_parameter(points(), look)); },
             "[hook_parameter] f64 [4] is no parameter; needed a parameter of a module; hint: "
             "tape.on_gradient(x, hook) for any other tensor");
  const Tensor x = tape.watch(points());
  static_cast<void>(tape.backward(sum(x), std::span<const Tensor>()));
  check_text([&] { tape.on_gradient(x, look); },
             "[on_gradient] a tape that is closed; needed an open tape; hint: hooks come before "
             "backward");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
