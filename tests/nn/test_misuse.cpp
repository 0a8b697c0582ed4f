// Wrong uses of models under tapes: the whole text of each. Others stand in errors.
#include <unroll/unroll.h>

#include <limits>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/temporary_folder.h"

namespace unroll::test {
namespace {

struct Model : nn::Module {
  nn::Child<nn::GRU> gru{*this, "gru", {.input = 3, .hidden = 4, .layers = 2}};
  nn::Child<nn::Linear> head{*this, "head", {.input = 4, .output = 2}};

  Tensor loss(const Tensor& x) const { return mean(square(head(gru(x).outputs))); }
};

std::string changed(const std::string& operation, const std::string& who) {
  return "[" + operation + "] " + who +
         " after this tape read it; needed its old value; hint: call backward before step, or open "
         "a new Tape";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(model_misuse)

// Every writer of parameters, between reading and backward.
BOOST_AUTO_TEST_CASE(parameters_changed_before_backward) {
  Model model, other;
  const TemporaryFolder folder;
  const std::string file = folder / "model.safetensors";
  nn::save(model, file);
  optim::Adam adam(model.parameters(), {.lr = 0.1});
  const Tensor x = ones({2, 1, 3});
  const auto check = [&](const auto& change, const std::string& who) {
    Tape tape;
    const Tensor loss = model.loss(x);
    const Gradients grads = tape.backward(loss, {.retain = true});
    change(grads);
    check_throws([&] { return tape.backward(loss); }, changed("backward", who));
    check_throws([&] { return tape.gradient(loss, model.head.W); }, changed("gradient", who));
    BOOST_TEST(tape.is_open());
  };
  check(
      [&](const auto&) {
        model.head.W.assign(zeros({4, 2}));
      },
      "head.W was changed (assignment)");
  check([&](const auto&) { nn::copy_values(other, model); },
        "gru.0.forward.Wx was changed (copy_values)");
  check([&](const auto&) { nn::load(model, file); }, "gru.0.forward.Wx was changed (load)");
  check([&](const auto& grads) { adam.step(grads); },
        "gru.0.forward.Wx was changed (optimizer step 1)");
}

BOOST_AUTO_TEST_CASE(a_state_that_was_not_detached) {
  Model model;
  const Tensor x = ones({5, 2, 3});
  nn::GRU::State state;
  {
    Tape tape;
    auto out = model.gru(x);
    state = out.state;
    static_cast<void>(tape.backward(mean(model.head(out.outputs))));
  }
  {
    Tape tape;
    check_throws([&] { return model.gru(x, {.initial = state}); },
                 "[gru] initial.forward[0].h f32 [2, 4] belongs to a tape that has ended (made at "
                 "t=4 of gru.0.forward); needed a value without history; hint: state = "
                 "detach(out.state) at the end of each window");
    state.forward[0] = detach(state.forward[0]);
    check_throws([&] { return model.gru(x, {.initial = state}); },
                 "[gru] initial.forward[1].h f32 [2, 4] belongs to a tape that has ended (made at "
                 "t=4 of gru.1.forward); needed a value without history; hint: state = "
                 "detach(out.state) at the end of each window");
    BOOST_TEST(error_text([&] { static_cast<void>(model.gru(x, {.initial = detach(state)})); }) ==
               "");
  }
}

BOOST_AUTO_TEST_CASE(a_gradient_that_was_never_made) {
  Model model;
  model.gru.freeze();
  Tape tape;
  const Gradients grads = tape.backward(model.loss(ones({2, 1, 3})), model.parameters());
  BOOST_TEST(grads.size() == 2);
  check_throws([&] { return grads[model.gru.cell(0).Wh]; },
               "[gradients] no gradient of gru.0.forward.Wh f32 [4, 12]; needed a parameter that "
               "the loss reached; hint: grads.contains(p) asks; a frozen parameter has none");
}

BOOST_AUTO_TEST_CASE(a_model_that_is_frozen_altogether) {
  Model model;
  model.freeze();
  Tape tape;
  const Tensor x = tape.watch(ones({2, 1, 3}));
  const Tensor loss = model.loss(x);
  check_throws([&] { return tape.backward(loss); },
               "[backward] loss f32 [] depends on no parameter, only on watched tensors; needed a "
               "parameter that is not frozen, read on this tape; hint: tape.gradient(loss, x), or "
               "backward(loss, model.parameters()), which leaves out what the loss does not reach");
  BOOST_TEST(tape.gradient(loss, x).shape() == x.shape());
  BOOST_TEST(tape.backward(loss, model.parameters()).empty());
}

// The place in the model, for what is found going back.
BOOST_AUTO_TEST_CASE(check_finite_names_cell_and_step) {
  Model model;
  const Tensor x = ones({4, 1, 3});
  model.gru.cell(1).Wh.assign(full({4, 12}, std::numeric_limits<double>::quiet_NaN()));
  try {
    Tape tape({.check_finite = true});
    static_cast<void>(tape.backward(model.loss(x)));
    BOOST_ERROR("nothing was thrown");
  } catch (const Error& e) {
    BOOST_TEST(e.path() == "gru.1.forward");
    BOOST_TEST(e.step() == 0);
    const std::string text = e.what();
    BOOST_TEST(text.find(" at gru.1.forward, t=0: makes f32 [1, ") != std::string::npos, text);
    BOOST_TEST(text.ends_with("needed finite values; hint: gru.1.forward.Wh f32 [4, 12] had them "
                              "when the tape first read it"),
               text);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
