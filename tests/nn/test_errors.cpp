// Common mistakes and what they say, word for word.
#include <unroll/unroll.h>

#include <limits>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"

namespace unroll::test {
namespace {

struct Model : nn::Module {
  struct Options {
    Index input = 8, hidden = 16;
  };
  explicit Model(Options o) : options(o) {}
  const Options options;
  nn::Child<nn::LSTM> lstm{*this, "lstm", {.input = options.input, .hidden = options.hidden}};
  nn::Child<nn::Linear> head{*this, "head", {.input = options.hidden, .output = 3}};
};

struct Nested : nn::Module {
  struct Encoder : nn::Module {
    struct Options {
      Index input = 0, hidden = 0;
    };
    explicit Encoder(Options o) : options(o) {}
    const Options options;
    nn::Child<nn::LSTM> lstm{*this, "lstm", {.input = options.input, .hidden = options.hidden}};
  };
  nn::Child<Encoder> encoder{*this, "encoder", {.input = 128, .hidden = 128}};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(errors)

BOOST_AUTO_TEST_CASE(carried_state_not_detached) {
  Model model({.input = 2, .hidden = 128});
  const Tensor x = zeros({64, 32, 2});
  nn::LSTM::State state;
  {
    Tape tape;
    state = model.lstm(x, {.initial = state}).state;
  }
  {
    Tape tape;
    check_text([&] { static_cast<void>(model.lstm(x, {.initial = state})); },
               "[lstm] initial.forward[0].h f32 [32, 128] belongs to a tape that has ended (made "
               "at t=63 of "
               "lstm.0.forward); needed a value without history; hint: state = detach(out.state) "
               "at the end of each window");
    BOOST_TEST(error_text([&] { static_cast<void>(model.lstm(x, {.initial = detach(state)})); }) ==
               "");
  }
  BOOST_TEST(error_text([&] { static_cast<void>(model.lstm(x, {.initial = state})); }) ==
             "");  // no tape: a value
  Tape tape;
  state.forward[0].h = detach(state.forward[0].h);
  BOOST_TEST(
      error_text([&] {
        static_cast<void>(model.lstm(x, {.initial = state}));
      }).starts_with("[lstm] initial.forward[0].c f32 [32, 128] belongs to a tape that has ended"));
}

BOOST_AUTO_TEST_CASE(state_of_an_outer_tape) {
  Model model({});
  const Tensor x = zeros({2, 3, 8});
  Tape outer;
  const auto state = model.lstm(x).state;
  Tape inner;
  check_text(
      [&] { static_cast<void>(model.lstm(x, {.initial = state})); },
      "[lstm] initial.forward[0].h f32 [3, 16] belongs to an outer tape; needed a value of the "
      "innermost tape or without history; hint: state = detach(out.state), or compute under "
      "one tape");
}

BOOST_AUTO_TEST_CASE(backward_twice) {
  Model model({});
  Tape tape;
  const Tensor loss = sum(model.head(ones({1, 16})));
  static_cast<void>(tape.backward(loss));
  check_text([&] { static_cast<void>(tape.backward(loss)); },
             "[backward] this tape was closed by an earlier backward; needed an open tape; hint: "
             "one Tape per window, or "
             "backward(loss, {.retain = true}), or backward(a + b)");
}

BOOST_AUTO_TEST_CASE(no_tape_at_all) {
  Model model({});
  const Tensor loss = sum(model.head(zeros({2, 16})));
  Tape tape;
  check_text([&] { static_cast<void>(tape.backward(loss)); },
             "[backward] loss f32 [] has no history: it was computed before the tape began, or "
             "from constants; needed a "
             "value recorded on this tape; hint: create the Tape before calling the model, or "
             "tape.watch(x)");
}

BOOST_AUTO_TEST_CASE(loss_is_not_one_number) {
  Tape tape;
  const Tensor loss = 2.0 * tape.watch(zeros({64, 32}));
  check_text([&] { static_cast<void>(tape.backward(loss)); },
             "[backward] loss f32 [64, 32]; needed one element; hint: mean(loss), or "
             "backward(loss, {.upstream = weights})");
}

BOOST_AUTO_TEST_CASE(features_and_weight_disagree) {
  const Nested model;
  check_text(
      [&] {
        static_cast<void>(model.encoder.lstm(zeros({64, 32, 100})));
      },
      "[affine] at encoder.lstm.0.forward, t=0: x f32 [64, 32, 100] and W f32 [128, 512] disagree "
      "in 100 and 128; "
      "needed x [..., 128]; hint: options .input is 128");
  check_text(
      [] {
        static_cast<void>(Model({}).head(zeros({2, 5})));
      },
      "[affine] at head: x f32 [2, 5] and W f32 [16, 3] disagree in 5 and 16; needed x [..., 16]; "
      "hint: options "
      ".input is 16");
}

BOOST_AUTO_TEST_CASE(batch_major_data) {
  Model model({.input = 64});
  const std::vector<Index> lengths(32, 50);
  check_text(
      [&] {
        static_cast<void>(model.lstm(zeros({32, 50, 64}), {.lengths = lengths}));
      },
      "[recurrent] at lstm: x f32 [32, 50, 64] has batch 50, but lengths has 32 entries; needed x "
      "[T, B, F] = [50, "
      "32, 64]; hint: sequences are time-major; transpose(x, 0, 1)");
  const std::vector<Index> few(7, 1);
  check_text(
      [&] {
        static_cast<void>(model.lstm(zeros({32, 50, 64}), {.lengths = few}));
      },
      "[recurrent] at lstm: x f32 [32, 50, 64] has batch 50, but lengths has 7 entries; needed a "
      "length for each of "
      "50 rows");
}

BOOST_AUTO_TEST_CASE(mixed_dtypes) {
  check_text([] { static_cast<void>(zeros({3}) * zeros({3}, f64)); },
             "[mul] f32 [3] and f64 [3]; needed one dtype; hint: created values are f32 unless "
             "told: tensor({…}, f64), or "
             "x.to(f32)");
}

BOOST_AUTO_TEST_CASE(parameter_changed_under_a_live_tape) {
  Model model({});
  optim::SGD sgd(model.parameters(), {.lr = 0.1});
  for (int step = 0; step < 11; ++step) {
    Tape tape;
    sgd.step(tape.backward(sum(model.head(ones({2, 16})))));
  }
  Tape tape;
  const Tensor loss = sum(model.head(ones({2, 16})));
  sgd.step(tape.backward(loss, {.retain = true}));
  check_text([&] { static_cast<void>(tape.backward(loss)); },
             "[backward] head.W was changed (optimizer step 12) after this tape read it; needed "
             "its old value; hint: call "
             "backward before step, or open a new Tape");
  check_text(
      [&] {
        static_cast<void>(model.head(ones({2, 16})));
      },
      "[affine] head.W was changed (optimizer step 12) after this tape read it; needed its old "
      "value; hint: call "
      "backward before step, or open a new Tape");
}

BOOST_AUTO_TEST_CASE(nan_gradient) {
  const Nested model;
  const Tensor Wh = model.encoder.lstm.cell(0).Wh;
  optim::Adam adam(model.parameters(), {.lr = 0.1});
  std::vector<float> bad(128 * 512, 0.0F);
  for (const std::size_t at : {17U, 600U, 5000U}) bad[at] = std::numeric_limits<float>::quiet_NaN();
  const Tensor weights = from(std::span<const float>(bad), {128, 512});
  const Tensor before = Wh.to(f64);
  Tape tape;
  const auto grads = tape.backward(sum(Wh * weights));
  check_text(
      [&] { adam.step(grads); },
      "[adam] gradient of encoder.lstm.0.forward.Wh f32 [128, 512] has 3 NaN, first at [0, 17]; "
      "needed finite "
      "values; nothing was changed; hint: Tape tape({.check_finite = true}) finds where it began");
  BOOST_TEST(all_equal(Wh.to(f64), before));
}

BOOST_AUTO_TEST_CASE(label_out_of_range) {
  std::vector<Index> labels(64 * 32, 1);
  labels[3 * 32 + 11] = 65;
  check_text(
      [&] {
        static_cast<void>(
            cross_entropy(zeros({64, 32, 65}), from(std::span<const Index>(labels), {64, 32})));
      },
      "[cross_entropy] target 65 at [3, 11]; needed 0 … 64 or ignore_index (-100); hint: logits "
      "have 65 classes; is "
      "the vocabulary of the data that of the model?");
}

BOOST_AUTO_TEST_CASE(two_modules_one_name) {
  struct CharModel : nn::Module {
    nn::Child<nn::LSTM> lstm{*this, "lstm", {.input = 1, .hidden = 1}};
    nn::Child<nn::LSTM> other{*this, "lstm", {.input = 1, .hidden = 1}};
  };
  check_text([] { CharModel(); },
             "[module] name \"lstm\" is taken in CharModel; needed a name of its own; hint: two "
             "children of one parent may "
             "not share a name");
}

BOOST_AUTO_TEST_CASE(size_not_given) {
  check_text(
      [] { nn::LSTM({.input = 3}); },
      "[lstm] hidden is 0; needed hidden > 0; hint: nn::LSTM lstm({.input = 65, .hidden = 128})");
  check_text([] { nn::GRU({.hidden = 3}); },
             "[gru] input is 0; needed input > 0; hint: nn::GRU gru({.input = 65, .hidden = 128})");
  check_text(
      [] { nn::RNN({.input = -2, .hidden = 3}); },
      "[rnn] input is -2; needed input > 0; hint: nn::RNN rnn({.input = 65, .hidden = 128})");
  check_text(
      [] { nn::LSTM({.input = 3, .hidden = 3, .layers = 0}); },
      "[lstm] layers is 0; needed layers > 0; hint: nn::LSTM lstm({.input = 65, .hidden = 128})");
  check_text(
      [] { nn::LSTMCell({.input = 3}); },
      "[lstm] hidden is 0; needed hidden > 0; hint: nn::LSTM lstm({.input = 65, .hidden = 128})");
  check_text([] { nn::Linear({.input = 3}); },
             "[linear] output is 0; needed output > 0; hint: nn::Linear head({.input = 128, "
             ".output = 65})");
  check_text([] { nn::Embedding({.size = 3}); },
             "[embedding] count is 0; needed count > 0; hint: nn::Embedding embed({.count = 65, "
             ".size = 128})");
}

BOOST_AUTO_TEST_CASE(options_out_of_range) {
  check_text([] { nn::LSTM({.input = 3, .hidden = 3, .biases = 3}); },
             "[lstm] biases is 3; needed 0, 1 or 2");
  check_text([] { nn::GRU({.input = 3, .hidden = 3, .biases = -1}); },
             "[gru] biases is -1; needed 0, 1 or 2");
  check_text([] { nn::LSTM({.input = 3, .hidden = 3, .dropout = 1}); },
             "[lstm] dropout 1.000000; needed 0 <= dropout < 1");
  check_text(
      [] {
        nn::RNN({.input = 3, .hidden = 3, .dropout = std::numeric_limits<double>::quiet_NaN()});
      },
      "[rnn] dropout nan; needed 0 <= dropout < 1");
  check_text([] { nn::Dropout({.rate = -0.5}); }, "[dropout] rate -0.500000; needed 0 <= rate < 1");
}

BOOST_AUTO_TEST_CASE(states_that_do_not_fit) {
  Model model({});
  const Tensor x = zeros({2, 3, 8});
  const Tensor good = zeros({3, 16});
  const auto text = [&](const nn::LSTM::State& state) {
    return error_text([&] { static_cast<void>(model.lstm(x, {.initial = state})); });
  };
  BOOST_TEST(text({.forward = {{.h = good, .c = good}}}) == "");
  BOOST_TEST(text({.forward = {{.h = good, .c = {}}}}) ==
             "[lstm] initial.forward[0].c is undefined; needed every field of a state, or a state "
             "= {} for zeros");
  BOOST_TEST(text({.forward = {{.h = zeros({4, 16}), .c = good}}}) ==
             "[lstm] initial.forward[0].h f32 [4, 16]; needed f32 [3, 16]");
  BOOST_TEST(text({.forward = {{.h = good, .c = good}, {.h = good, .c = good}}}) ==
             "[lstm] initial.forward has 2 states; needed 1, one for each layer; hint: a state = "
             "{} starts from zeros");
  BOOST_TEST(text({.forward = {{.h = good, .c = good}}, .backward = {{.h = good, .c = good}}}) ==
             "[lstm] initial.backward has 1 states; needed none, since the layer has one "
             "direction; hint: a state = {} starts from zeros");
  BOOST_TEST(text({.forward = {{.h = good, .c = zeros({3, 1})}}}) ==
             "[lstm] initial.forward[0].c f32 [3, 1]; needed f32 [3, 16]");
  BOOST_TEST(text({.forward = {{.h = zeros({3, 5}), .c = good}}}) ==
             "[lstm] initial.forward[0].h f32 [3, 5]; needed f32 [3, 16]");
  BOOST_TEST(text({.forward = {{.h = good, .c = zeros({3, 16}, f64)}}}) ==
             "[lstm] initial.forward[0].c f64 [3, 16]; needed f32 [3, 16]");
}

BOOST_AUTO_TEST_CASE(sequences_that_do_not_fit) {
  Model model({});
  check_text([&] { static_cast<void>(model.lstm(Tensor())); },
             "[recurrent] x is undefined; needed a tensor; hint: a default-constructed Tensor "
             "holds nothing; zeros({2, 3}) "
             "makes one");
  check_text(
      [&] {
        static_cast<void>(model.lstm(zeros({2, 8})));
      },
      "[recurrent] x f32 [2, 8]; needed x [T, B, F]; hint: reshape(x, {T, 1, F}) makes a batch of "
      "one");
  check_text(
      [&] {
        static_cast<void>(model.lstm(tensor({{{1, 2}}})));
      },
      "[recurrent] x i64 [1, 1, 2]; needed f32 or f64; hint: x.to(f32); whole numbers in "
      "tensor({1, 2}) are i64, "
      "tensor({1.0, 2.0}) is f32");
  check_text(
      [&] {
        static_cast<void>(model.lstm(zeros({2, 3, 8}, f64)));
      },
      "[affine] at lstm.0.forward, t=0: f64 [2, 3, 8] and f32 [8, 64]; needed one dtype; hint: "
      "created values are "
      "f32 unless told: tensor({…}, f64), or x.to(f32)");
  const std::vector<Index> lengths{1, 3, 2};
  check_text(
      [&] {
        static_cast<void>(model.lstm(zeros({2, 3, 8}), {.lengths = lengths}));
      },
      "[recurrent] at lstm: length 3 of row 1; needed 0 … 2");
  const std::vector<Index> negative{1, 0, -1};
  check_text(
      [&] {
        static_cast<void>(model.lstm(zeros({2, 3, 8}), {.lengths = negative}));
      },
      "[recurrent] at lstm: length -1 of row 2; needed 0 … 2");
}

BOOST_AUTO_TEST_CASE(gradient_of_what_the_loss_did_not_reach) {
  Model model({});
  Tape tape;
  const auto grads = tape.backward(sum(model.head(ones({1, 16}))));
  BOOST_TEST(!grads.contains(model.lstm.cell(0).Wh));
  check_text([&] { static_cast<void>(grads[model.lstm.cell(0).Wh]); },
             "[gradients] no gradient of lstm.0.forward.Wh f32 [16, 64]; needed a parameter that "
             "the loss reached; hint: "
             "grads.contains(p) asks; a frozen parameter has none");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
