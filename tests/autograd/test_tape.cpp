// What is recorded, where, and until when.
#include <unroll/autograd/scope.h>

#include <stdexcept>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/leaves.h"
#include "support/numeric.h"

namespace unroll::test {

BOOST_AUTO_TEST_SUITE(tape)

BOOST_AUTO_TEST_CASE(first_gradient) {
  Tape tape;
  const Tensor x = tape.watch(tensor({1.0, 2.0, 3.0}));
  const Tensor y = sum(x * x * x);
  BOOST_TEST(y.item() == 36.0);
  BOOST_TEST(all_equal(tape.gradient(y, x), tensor({3.0, 12.0, 27.0})));
}

BOOST_AUTO_TEST_CASE(only_what_depends_on_a_leaf_is_recorded) {
  Tape tape;
  const Tensor c = tensor({1.0, 2.0});
  const Tensor d = tanh(c) + c * c;
  BOOST_TEST(tape.nodes() == 0);
  const Tensor x = tape.watch(c);
  BOOST_TEST(tape.nodes() == 0);
  const Tensor y = d * x;
  BOOST_TEST(tape.nodes() == 1);
  static_cast<void>(argmax(y, 0));
  BOOST_TEST(tape.nodes() == 1);
}

BOOST_AUTO_TEST_CASE(no_tape_records_nothing) {
  const Tensor p = make_parameter(ones({2}), "p");
  const Tensor y = tanh(p);
  BOOST_TEST(y.header()->tape == 0U);
  Tape tape;
  BOOST_TEST(tape.nodes() == 0);
  BOOST_TEST(tanh(y).header()->tape == 0U);  // made before the tape: a constant
}

BOOST_AUTO_TEST_CASE(watch_leaves_the_tensor_as_it_is) {
  const Tensor c = tensor({1.0, 2.0});
  Tape tape;
  const Tensor x = tape.watch(c);
  static_cast<void>(tanh(c));
  BOOST_TEST(tape.nodes() == 0);
  BOOST_TEST(all_equal(x, c));
  BOOST_TEST(x.span<float>().data() == c.span<float>().data());
}

BOOST_AUTO_TEST_CASE(two_watches_are_two_leaves) {
  Tape tape;
  const Tensor c = tensor({3.0});
  const Tensor a = tape.watch(c);
  const Tensor b = tape.watch(c);
  const auto [ga, gb] = tape.gradient(sum(a * a * b), {a, b});
  BOOST_TEST(ga.item() == 18.0);
  BOOST_TEST(gb.item() == 9.0);
}

BOOST_AUTO_TEST_CASE(watch_of_a_computed_value_cuts_it_from_its_past) {
  Tape tape;
  const Tensor x = tape.watch(tensor({2.0}));
  const Tensor y = x * x;
  const Tensor z = tape.watch(y);
  const Tensor w = sum(z * z);
  BOOST_TEST(tape.gradient(w, z).item() == 8.0);
  BOOST_TEST(
      error_text([&] { static_cast<void>(tape.gradient(w, x)); }) ==
      "[gradient] y f32 [] does not depend on x f32 [1]; needed an x that y was computed from; "
      "hint: gradient(y, x, {.unreached = Unreached::zero})");
}

BOOST_AUTO_TEST_CASE(watch_refuses_whole_numbers_and_undefined) {
  Tape tape;
  BOOST_TEST(error_text([&] {
               static_cast<void>(tape.watch(tensor({1, 2})));
             }) ==
             "[watch] x i64 [2]; needed f32 or f64; hint: whole numbers have no derivative; "
             "tensor({1.0, 2.0}) is f32");
  BOOST_CHECK_THROW(static_cast<void>(tape.watch(Tensor{})), Error);
}

BOOST_AUTO_TEST_CASE(watch_of_a_view_with_gaps) {
  Tape tape;
  const Tensor m = tensor({{1.0, 2.0, 3.0}, {4.0, 5.0, 6.0}});
  const Tensor x = tape.watch(transpose(m, 0, 1));
  const Tensor g = tape.gradient(sum(x * x * reshape(x, {3, 2})), x);
  BOOST_TEST(all_close(g, 3.0 * square(transpose(m, 0, 1))));
}

BOOST_AUTO_TEST_CASE(frozen_parameters_are_constants) {
  const Tensor p = make_parameter(ones({2}), "p");
  freeze(p);
  {
    Tape tape;
    static_cast<void>(tanh(p));
    BOOST_TEST(tape.nodes() == 0);
  }
  freeze(p, false);
  Tape tape;
  static_cast<void>(tanh(p));
  BOOST_TEST(tape.nodes() == 1);
}

BOOST_AUTO_TEST_CASE(a_parameter_is_a_leaf_of_every_tape) {
  const Tensor p = make_parameter(tensor({2.0}), "p");
  for (int round = 0; round < 3; ++round) {
    Tape tape;
    const auto grads = tape.backward(sum(p * p));
    BOOST_TEST(grads[p].item() == 4.0);
  }
}

BOOST_AUTO_TEST_CASE(pause_is_as_if_there_were_no_tape) {
  Tape tape;
  const Tensor x = tape.watch(tensor({2.0}));
  const Tensor y = x * x;
  BOOST_TEST(is_training());
  {
    auto off = tape.pause();
    BOOST_TEST(!is_training());
    const Tensor z = y * y;
    BOOST_TEST(z.item() == 16.0);
    BOOST_TEST(z.header()->tape == 0U);
    {
      auto again = tape.pause();
      static_cast<void>(y * 2.0);
    }
    static_cast<void>(y * 2.0);
    BOOST_TEST(tape.nodes() == 1);
  }
  BOOST_TEST(is_training());
  BOOST_TEST(tape.gradient(sum(y * y), x).item() == 32.0);
}

BOOST_AUTO_TEST_CASE(pause_of_an_outer_tape_throws) {
  Tape outer;
  Tape inner;
  BOOST_TEST(
      error_text([&] { auto off = outer.pause(); }) ==
      "[pause] an outer tape, or one of another thread; needed this thread's innermost tape");
}

BOOST_AUTO_TEST_CASE(only_the_innermost_tape_records) {
  Tape outer;
  const Tensor x = outer.watch(tensor({2.0}));
  const Tensor y = x * x;
  {
    Tape inner;
    const Tensor z = inner.watch(detach(y));
    const Tensor w = z * z * z;
    BOOST_TEST(inner.nodes() == 2);
    BOOST_TEST(outer.nodes() == 1);
    BOOST_TEST(inner.gradient(w, z).item() == 48.0);
  }
  static_cast<void>(y * 2.0);
  BOOST_TEST(outer.nodes() == 2);
}

BOOST_AUTO_TEST_CASE(a_value_of_an_outer_tape_is_refused) {
  Tape outer;
  const Tensor y = tanh(outer.watch(tensor({2.0})));
  Tape inner;
  BOOST_TEST(error_text([&] { static_cast<void>(y * 2.0); }) ==
             "[mul_number] f32 [1] belongs to an outer tape; needed a value of the innermost tape "
             "or without history; "
             "hint: detach(x), or compute under one tape");
  BOOST_TEST(tanh(detach(y)).size() == 1);
  BOOST_TEST(argmax(y, 0).item() == 0.0);  // without a derivative: a value
  BOOST_TEST(y.item() != 0.0);
}

BOOST_AUTO_TEST_CASE(a_value_of_an_ended_tape_is_refused_under_a_tape_and_a_value_without) {
  Tensor state;
  {
    Tape tape;
    state = tanh(tape.watch(ones({2, 3})));
  }
  BOOST_TEST(state.span<float>()[0] > 0.76F);
  BOOST_TEST(tanh(state).header()->tape == 0U);
  Tape next;
  const std::string expected =
      "f32 [2, 3] belongs to a tape that has ended; needed a value without history; "
      "hint: state = detach(out.state) at the end of each window";
  BOOST_TEST(error_text([&] { static_cast<void>(tanh(state)); }) == "[tanh] " + expected);
  BOOST_TEST(error_text([&] { static_cast<void>(select(state, 0, 0)); }) == "[select] " + expected);
  BOOST_TEST(error_text([&] {
               static_cast<void>(matmul(state, ones({3, 2})));
             }) == "[matmul] " + expected);
  BOOST_TEST(error_text([&] {
               static_cast<void>(stack({state, state}, 0));
             }) == "[stack] " + expected);
  BOOST_TEST(next.nodes() == 0);
  static_cast<void>(tanh(detach(state)));
}

BOOST_AUTO_TEST_CASE(the_message_tells_where_a_stale_value_was_made) {
  const auto path = [](const void*) { return std::string("lstm.0.forward"); };
  Tensor state;
  {
    Tape tape;
    const Tensor x = tape.watch(ones({2}));
    const detail::ScopeFrame module(nullptr, path, -1);
    const detail::ScopeFrame step(nullptr, nullptr, 63);
    state = tanh(x);
  }
  Tape next;
  BOOST_TEST(error_text([&] { static_cast<void>(tanh(state)); }) ==
             "[tanh] f32 [2] belongs to a tape that has ended (made at t=63 of lstm.0.forward); "
             "needed a value without "
             "history; hint: state = detach(out.state) at the end of each window");
}

// A tape whose life the test decides; the containers of the standard library would terminate.
union ByHand {
  ByHand() : tape() {}
  ~ByHand() {}
  Tape tape;
};

BOOST_AUTO_TEST_CASE(tapes_may_be_destroyed_only_from_the_inside_out) {
  ByHand first, second;
  const std::string text = error_text([&] { first.tape.~Tape(); });
  BOOST_TEST(text.starts_with("[tape] tape "), text);
  BOOST_TEST(text.find(" ended while tape ") != std::string::npos, text);
  BOOST_TEST(text.ends_with("; needed tapes that end in reverse order, on their own thread; hint: "
                            "a Tape is a local variable"),
             text);
  // What is left works on.
  const Tensor x = second.tape.watch(tensor({3.0}));
  BOOST_TEST(second.tape.gradient(sum(x * x), x).item() == 6.0);
  second.tape.~Tape();
  BOOST_TEST(!is_training());
  Tape last;
  const Tensor y = last.watch(tensor({3.0}));
  BOOST_TEST(last.gradient(sum(y * y), y).item() == 6.0);
}

BOOST_AUTO_TEST_CASE(a_tape_ends_during_unwinding) {
  const auto step = [] {
    Tape tape;
    const Tensor x = tape.watch(ones({3}));
    const Tensor y = tanh(x);
    throw std::runtime_error("of the user's");
  };
  for (int round = 0; round < 3; ++round) BOOST_CHECK_THROW(step(), std::runtime_error);
  BOOST_TEST(!is_training());
  Tape tape;
  const Tensor x = tape.watch(tensor({3.0}));
  BOOST_TEST(tape.gradient(sum(x * x), x).item() == 6.0);
}

BOOST_AUTO_TEST_CASE(an_operation_that_throws_has_recorded_nothing) {
  Tape tape;
  const Tensor x = tape.watch(ones({2, 3}));
  const Tensor W = tape.watch(ones({4, 2}));
  const Tensor y = tanh(x);
  const Index before = tape.nodes();
  BOOST_CHECK_THROW(static_cast<void>(matmul(y, W)), Error);
  BOOST_CHECK_THROW(static_cast<void>(y + ones({4})), Error);
  BOOST_CHECK_THROW(static_cast<void>(y + ones({3}, f64)), Error);
  BOOST_CHECK_THROW(static_cast<void>(slice(y, {.from = 3})), Error);
  BOOST_CHECK_THROW(static_cast<void>(cross_entropy(y, tensor({0, 3}))), Error);
  BOOST_CHECK_THROW(static_cast<void>(embedding(y, tensor({0, 2}))), Error);
  BOOST_CHECK_THROW(static_cast<void>(concat({y, ones({2, 3}, f64)}, 0)), Error);
  BOOST_CHECK_THROW(static_cast<void>(tanh(Tensor{})), Error);
  BOOST_CHECK_THROW(static_cast<void>(y * Tensor{}), Error);
  BOOST_TEST(tape.nodes() == before);
  const Tensor g = tape.gradient(sum(y), x);
  BOOST_TEST(all_close(g, 1.0 - square(detach(y))));
}

BOOST_AUTO_TEST_CASE(mixed_dtypes_say_so) {
  BOOST_TEST(error_text([] { static_cast<void>(ones({3}) * ones({3}, f64)); }) ==
             "[mul] f32 [3] and f64 [3]; needed one dtype; hint: created values are f32 unless "
             "told: tensor({…}, f64), or "
             "x.to(f32)");
}

BOOST_AUTO_TEST_CASE(features_and_weight_disagree) {
  const auto path = [](const void*) { return std::string("encoder.lstm.0.forward"); };
  const detail::ScopeFrame module(nullptr, path, -1);
  const detail::ScopeFrame step(nullptr, nullptr, 0);
  BOOST_TEST(error_text([] {
               static_cast<void>(affine(ones({64, 32, 100}), ones({128, 512}), ones({512})));
             }) ==
             "[affine] at encoder.lstm.0.forward, t=0: x f32 [64, 32, 100] and W f32 [128, 512] "
             "disagree in 100 and 128; "
             "needed x [..., 128]; hint: options .input is 128");
  try {
    static_cast<void>(affine(ones({2, 3}), ones({4, 4}), ones({4})));
  } catch (const Error& e) {
    BOOST_TEST(e.operation() == "affine");
    BOOST_TEST(e.path() == "encoder.lstm.0.forward");
    BOOST_TEST(e.step() == 0);
  }
}

BOOST_AUTO_TEST_CASE(label_out_of_range) {
  const Tensor logits = zeros({4, 12, 65});
  std::vector<Index> labels(48, 0);
  labels[3 * 12 + 11] = 65;
  BOOST_TEST(
      error_text([&] {
        static_cast<void>(cross_entropy(logits, from(std::span<const Index>(labels), {4, 12})));
      }) ==
      "[cross_entropy] target 65 at [3, 11]; needed 0 … 64 or ignore_index (-100); hint: logits "
      "have 65 classes; is "
      "the vocabulary of the data that of the model?");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
