// Wrong uses of tapes and gradients: the whole text of each, which names the cure. Others stand
// with what they belong to: closing, tape, threads_and_tapes, and operation_misuse for operations.
#include <future>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/leaves.h"

namespace unroll::test {
namespace {

const std::string changed =
    " after this tape read it; needed its old value; hint: call backward "
    "before step, or open a new Tape";
const std::string no_parameter =
    " depends on no parameter, only on watched tensors; needed a parameter that is not frozen, "
    "read on this tape; hint: tape.gradient(loss, x), or backward(loss, model.parameters()), which "
    "leaves out what the loss does not reach";
const std::string other_thread =
    "[tape] a tape used on another thread than the one it was made on; needed its own thread; "
    "hint: one Tape per thread";

template <class F>
std::string error_elsewhere(const F& f) {
  return std::async(std::launch::async, [&] { return error_text(f); }).get();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(misuse)

BOOST_AUTO_TEST_CASE(backward_that_reaches_no_parameter) {
  const Tensor p = make_parameter(tensor({2.0}), "head.p");
  const Tensor frozen = make_parameter(tensor({2.0}), "head.frozen");
  freeze(frozen);
  Tape tape;
  const Tensor x = tape.watch(tensor({3.0, 1.0}));
  const Tensor loss = sum(x * frozen);
  BOOST_TEST(error_text([&] { static_cast<void>(tape.backward(loss)); }) ==
             "[backward] loss f32 []" + no_parameter);
  BOOST_TEST(tape.is_open());  // seen before anything was done
  BOOST_TEST(tape.gradient(loss, x).span<float>()[0] == 2.0F);
  // Read on this tape, but not by what leads to the loss.
  const Tensor other = sum(x * p);
  BOOST_TEST(error_text([&] { static_cast<void>(tape.backward(loss, {.retain = true})); }) ==
             "[backward] loss f32 []" + no_parameter);
  BOOST_TEST(tape.backward(loss + other).size() == 1);
}

// Frozen ones and those that were not read are legitimate: a list is often model.parameters().
BOOST_AUTO_TEST_CASE(backward_for_some_parameters) {
  const Tensor p = make_parameter(tensor({2.0}), "head.p");
  const Tensor q = make_parameter(tensor({2.0}), "head.q");
  const Tensor frozen = make_parameter(tensor({5.0}), "head.frozen");
  freeze(frozen);
  Tape tape;
  const Tensor x = tape.watch(tensor({3.0, 1.0}));
  const Tensor loss = sum(x * p * frozen);
  const std::string hint =
      " is not a parameter; needed parameters of modules; hint: "
      "tape.gradient(loss, x)";
  const auto error = [&](const std::vector<Tensor>& parameters) {
    return error_text([&] { static_cast<void>(tape.backward(loss, parameters)); });
  };
  BOOST_TEST(error({p, Tensor{}}) ==
             "[backward] parameters[1] is undefined; needed a tensor; hint: a default-constructed "
             "Tensor holds nothing; zeros({2, 3}) makes one");
  BOOST_TEST(error({x}) == "[backward] parameters[0] f32 [2]" + hint);
  BOOST_TEST(error({p, q, p * 1.0}) == "[backward] parameters[2] f32 [1]" + hint);
  BOOST_TEST(tape.is_open());
  const std::vector<Tensor> list{p, q, frozen};
  const Gradients grads = tape.backward(loss, list);
  BOOST_TEST(grads.size() == 1);
  BOOST_TEST(grads[p].item() == 20.0);
  const std::string absent =
      "; needed a parameter that the loss reached; hint: "
      "grads.contains(p) asks; a frozen parameter has none";
  BOOST_TEST(error_text([&] { static_cast<void>(grads[q]); }) ==
             "[gradients] no gradient of head.q f32 [1]" + absent);
  BOOST_TEST(error_text([&] { static_cast<void>(grads[frozen]); }) ==
             "[gradients] no gradient of head.frozen f32 [1]" + absent);
  BOOST_TEST(error_text([&] { static_cast<void>(grads[x]); }) ==
             "[gradients] f32 [2] is not a parameter; needed a parameter that the loss reached; "
             "hint: tape.gradient(loss, x)");
  BOOST_TEST(error_text([&] { static_cast<void>(grads[Tensor{}]); }) ==
             "[gradients] parameter is undefined; needed a tensor; hint: a default-constructed "
             "Tensor holds nothing; zeros({2, 3}) makes one");
}

BOOST_AUTO_TEST_CASE(a_loss_of_another_tape) {
  const Tensor p = make_parameter(tensor({2.0}), "head.p");
  const auto text = [](const char* operation, const std::string& which) {
    return "[" + std::string(operation) + "] loss f32 [1] belongs to " + which +
           "; needed a value recorded on this tape; hint: call " + operation +
           " of the tape under which it was computed";
  };
  Tensor ended;
  {
    Tape tape;
    ended = p * 2.0;
  }
  Tape outer;
  BOOST_TEST(error_text([&] { static_cast<void>(outer.backward(ended)); }) ==
             text("backward", "a tape that has ended"));
  BOOST_TEST(error_text([&] { static_cast<void>(outer.gradient(ended, p)); }) ==
             text("gradient", "a tape that has ended"));
  const Tensor y = p * 3.0;
  {
    Tape inner;
    const Tensor z = p * 4.0;
    BOOST_TEST(error_text([&] { static_cast<void>(inner.backward(y)); }) ==
               text("backward", "an outer tape"));
    BOOST_TEST(error_text([&] { static_cast<void>(outer.backward(z)); }) ==
               text("backward", "an inner tape"));
    // The outer one may differentiate what it has, and the inner one goes on.
    BOOST_TEST(outer.gradient(y, p).item() == 3.0);
    BOOST_TEST(inner.backward(z)[p].item() == 4.0);
  }
  BOOST_TEST(error_elsewhere([&] {
               Tape theirs;
               static_cast<void>(theirs.backward(y));
             }) == text("backward", "a tape of another thread"));
  BOOST_TEST(outer.backward(y)[p].item() == 3.0);
}

BOOST_AUTO_TEST_CASE(a_closed_tape) {
  const Tensor p = make_parameter(tensor({2.0}), "head.p");
  Tape tape;
  const Tensor y = p * 2.0;
  static_cast<void>(tape.backward(y));
  BOOST_TEST(error_text([&] { static_cast<void>(tape.watch(ones({1}))); }) ==
             "[watch] a tape that is closed; needed an open tape; hint: one Tape per window");
  BOOST_TEST(tape.report().nodes == 1);
  BOOST_TEST(tape.snapshot().nodes.size() == 1U);
}

BOOST_AUTO_TEST_CASE(every_use_of_a_tape_on_another_thread) {
  const Tensor p = make_parameter(tensor({2.0}), "head.p");
  Tape tape;
  const Tensor y = p * 2.0;
  BOOST_TEST(error_elsewhere([&] { static_cast<void>(tape.watch(ones({1}))); }) == other_thread);
  BOOST_TEST(error_elsewhere([&] { static_cast<void>(tape.backward(y)); }) == other_thread);
  BOOST_TEST(error_elsewhere([&] {
               static_cast<void>(tape.backward(y, std::vector<Tensor>{p}));
             }) == other_thread);
  BOOST_TEST(error_elsewhere([&] { static_cast<void>(tape.gradient(y, p)); }) == other_thread);
  BOOST_TEST(error_elsewhere([&] { tape.name(y, "y"); }) == other_thread);
  BOOST_TEST(error_elsewhere([&] { static_cast<void>(tape.report()); }) == other_thread);
  BOOST_TEST(error_elsewhere([&] { static_cast<void>(tape.snapshot()); }) == other_thread);
  BOOST_TEST(tape.backward(y)[p].item() == 2.0);
}

BOOST_AUTO_TEST_CASE(name_of_what_is_not_on_the_tape) {
  Tape tape;
  BOOST_TEST(error_text([&] { tape.name(ones({2}), "y"); }) ==
             "[name] x f32 [2] is not on this tape; needed a tensor recorded on it");
}

// What a node has saved is a view of a parameter, a constant on this tape.
BOOST_AUTO_TEST_CASE(a_constant_view_of_a_parameter_that_is_changed) {
  const Tensor p = make_parameter(tensor({2.0, 5.0}), "target.W");
  for (const bool detached : {true, false}) {
    const Tensor view = detached ? detach(p) : slice(p, {.axis = 0, .to = 2});
    Tape tape;
    const Tensor x = tape.watch(ones({2}));
    const Tensor y = sum(x * view);
    BOOST_TEST(tape.gradient(y, x).span<float>()[1] > 2.0F);
    overwrite(p, 7, 3);
    const std::string text = "target.W was changed (optimizer step 3)" + changed;
    BOOST_TEST(error_text([&] { static_cast<void>(tape.gradient(y, x)); }) == "[gradient] " + text);
    BOOST_TEST(error_text([&] { static_cast<void>(x * view); }) == "[mul] " + text);
  }
  // It does not keep the parameter itself from having a gradient.
  Tape tape;
  const Tensor y = sum(detach(p) * p);
  BOOST_TEST(tape.backward(y)[p].span<float>()[0] == 7.0F);
}

BOOST_AUTO_TEST_CASE(an_upstream_that_does_not_fit) {
  const Tensor p = make_parameter(ones({2, 3}), "p");
  Tape tape;
  const Tensor y = p * 2.0;
  BOOST_TEST(error_text([&] { static_cast<void>(tape.backward(y, {.upstream = ones({3})})); }) ==
             "[backward] upstream f32 [3] for loss f32 [2, 3]; needed equal shapes and dtypes");
  BOOST_TEST(error_text([&] {
               static_cast<void>(tape.gradient(y, p, {.upstream = ones({2, 3}, f64)}));
             }) ==
             "[gradient] upstream f64 [2, 3] for loss f32 [2, 3]; needed equal shapes and dtypes");
}

BOOST_AUTO_TEST_CASE(undefined_losses) {
  Tape tape;
  const Tensor x = tape.watch(ones({1}));
  const std::string undefined =
      " is undefined; needed a tensor; hint: a default-constructed "
      "Tensor holds nothing; zeros({2, 3}) makes one";
  BOOST_TEST(error_text([&] { static_cast<void>(tape.backward(Tensor{})); }) ==
             "[backward] loss" + undefined);
  BOOST_TEST(error_text([&] { static_cast<void>(tape.gradient(x, Tensor{})); }) ==
             "[gradient] x" + undefined);
  BOOST_TEST(error_text([&] { static_cast<void>(tape.watch(Tensor{})); }) ==
             "[watch] x" + undefined);
}

BOOST_AUTO_TEST_CASE(an_x_that_y_does_not_depend_on) {
  Tape tape;
  const Tensor x = tape.watch(ones({2, 3}));
  const Tensor y = sum(tape.watch(ones({1})) * 2.0);
  BOOST_TEST(error_text([&] { static_cast<void>(tape.gradient(y, x)); }) ==
             "[gradient] y f32 [] does not depend on x f32 [2, 3]; needed an x that y was computed "
             "from; hint: gradient(y, x, {.unreached = Unreached::zero})");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
