// Modules: names, paths, parameters, freezing, modes, dtypes.
#include <utility>

#include <boost/test/unit_test.hpp>

#include "nn/nested_modules.h"
#include "support/error_text.h"

namespace unroll::test {
namespace {

std::vector<std::string> paths_of(const ParameterList& list) {
  std::vector<std::string> paths;
  for (const auto& [path, tensor] : list) paths.push_back(path);
  return paths;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(module)

BOOST_AUTO_TEST_CASE(paths) {
  Outer model({});
  model.heads.add({.size = 1});
  model.heads.add({.size = 5});
  BOOST_TEST(paths_of(model.parameters()) ==
                 (std::vector<std::string>{"scale", "left.W", "left.b", "right.W", "right.b",
                                           "heads.0.W", "heads.0.b", "heads.1.W", "heads.1.b"}),
             boost::test_tools::per_element());
  BOOST_TEST(paths_of(model.heads[1].parameters()) == (std::vector<std::string>{"W", "b"}),
             boost::test_tools::per_element());
  BOOST_TEST(model.heads[1].W.path() == "heads.1.W");
  BOOST_TEST(model.heads[1].path() == "heads.1");
  BOOST_TEST(model.heads.path() == "heads");
  BOOST_TEST(model.path() == "");
  BOOST_TEST(model.left.name() == "left");
  BOOST_TEST(model.left.parent() == &model);
  BOOST_TEST(model.children().size() == 3U);
  BOOST_TEST(model.heads.size() == 2);
  BOOST_TEST(model.parameters().size() == 9);
  BOOST_TEST(model.parameters().elements() == 1 + 6 + 3 + 12 + 3 + 3 + 3 + 15 + 3);
}

BOOST_AUTO_TEST_CASE(paths_of_a_layer) {
  nn::LSTM layer({.input = 2, .hidden = 3, .layers = 2, .bidirectional = true, .biases = 2});
  std::vector<std::string> expected;
  for (const char* part : {"0.forward", "0.backward", "1.forward", "1.backward"})
    for (const char* name : {".Wx", ".Wh", ".b", ".b_recurrent"})
      expected.push_back(part + std::string(name));
  BOOST_TEST(paths_of(layer.parameters()) == expected, boost::test_tools::per_element());
  nn::GRU plain({.input = 2, .hidden = 3, .biases = 0});
  BOOST_TEST(
      paths_of(plain.parameters()) == (std::vector<std::string>{"0.forward.Wx", "0.forward.Wh"}),
      boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(where) {
  Outer model({});
  const auto weights =
      model.parameters().where([](std::string_view path) { return !path.ends_with(".b"); });
  BOOST_TEST(paths_of(weights) == (std::vector<std::string>{"scale", "left.W", "right.W"}),
             boost::test_tools::per_element());
  BOOST_TEST(model.parameters().where([](std::string_view) { return false; }).size() == 0);
}

BOOST_AUTO_TEST_CASE(names) {
  struct Bad : nn::Module {
    struct Options {
      std::string first = "a", second = "b";
    };
    explicit Bad(Options o) : options(std::move(o)) {}
    const Options options;
    nn::Parameter W{*this, options.first, {1}, init::zeros()};
    nn::Child<Inner> child{*this, options.second, {}};
  };
  check_text([] { Bad({.second = "a"}); },
             "[module] name \"a\" is taken in Bad; needed a name of its own; hint: two children of "
             "one parent may "
             "not share a name");
  check_text([] { Bad({.first = ""}); },
             "[module] an empty name in Bad; needed a name; hint: nn::Child<nn::Linear> "
             "head{*this, \"head\", …}");
  check_text([] { Bad({.first = "a.b"}); },
             "[module] name \"a.b\" has a dot; needed a name without one; hint: paths are made of "
             "names joined by dots");
  check_text([] { Bad({.second = "."}); },
             "[module] name \".\" has a dot; needed a name without one; hint: paths are made of "
             "names joined by dots");
}

BOOST_AUTO_TEST_CASE(a_list_tells_where_it_ends) {
  Outer model({});
  model.heads.add({});
  BOOST_CHECK_THROW(static_cast<void>(model.heads[1]), Error);
  BOOST_CHECK_THROW(static_cast<void>(model.heads[-1]), Error);
  nn::GRU layer({.input = 1, .hidden = 1});
  BOOST_CHECK_THROW(static_cast<void>(layer.cell(1)), Error);
}

BOOST_AUTO_TEST_CASE(freezing) {
  Outer model({});
  model.left.freeze();
  BOOST_TEST(model.left.W.is_frozen());
  BOOST_TEST(!model.right.W.is_frozen());
  const auto loss = [&] {
    return sum(model.left.W * 2.0) + sum(model.right.W) + sum(model.left.b * model.right.b);
  };
  {
    Tape tape;
    const Tensor y = model.left.W * 2.0;
    BOOST_TEST(tape.nodes() == 0);  // a constant: nothing is recorded
    const auto grads = tape.backward(loss());
    BOOST_TEST(!grads.contains(model.left.W));
    BOOST_TEST(!grads.contains(model.left.b));
    BOOST_TEST(grads.contains(model.right.W));
    BOOST_TEST(all_equal(grads[model.right.b], zeros({3})));
    BOOST_TEST(grads.size() == 2);
  }
  model.unfreeze();
  BOOST_TEST(!model.left.W.is_frozen());
  {
    Tape tape;
    const Tensor read = sum(model.left.W);
    model.left.W.freeze();  // counts from the next tape on
    const auto grads = tape.backward(read + loss());
    BOOST_TEST(all_equal(grads[model.left.W], full({2, 3}, 3)));
  }
  {
    Tape tape;
    const Tensor frozen = sum(model.left.W);
    BOOST_TEST(tape.nodes() == 0);
    model.left.W.unfreeze();
    BOOST_TEST(tape.backward(loss()).contains(model.left.W) == false);
  }
  Tape tape;
  BOOST_TEST(tape.backward(loss()).size() == 4);
  model.heads.add({});
  model.freeze();
  BOOST_TEST(model.heads[0].b.is_frozen());
  BOOST_TEST(model.scale.is_frozen());
}

BOOST_AUTO_TEST_CASE(modes) {
  Outer model({});
  BOOST_TEST(!model.is_training());
  Tape tape;
  BOOST_TEST(model.right.is_training());
  model.eval();
  BOOST_TEST(!model.is_training());
  BOOST_TEST(!model.right.is_training());
  model.right.train();
  BOOST_TEST(model.right.is_training());
  BOOST_TEST(!model.left.is_training());
  model.train();
  BOOST_TEST(model.left.is_training());
  model.eval();
  BOOST_TEST(model.heads.add({}).is_training());  // new modules train
}

BOOST_AUTO_TEST_CASE(describing) {
  Outer model({});
  model.heads.add({.size = 1});
  model.right.b.freeze();
  BOOST_TEST(model.describe() ==
             "Outer  31 parameters\n"
             "  scale  f32 [1]\n"
             "  left  Inner  9 parameters\n"
             "    W  f32 [2, 3]\n"
             "    b  f32 [3]\n"
             "  right  Inner  15 parameters\n"
             "    W  f32 [4, 3]\n"
             "    b  f32 [3]  frozen\n"
             "  heads  List<Inner>  6 parameters\n"
             "    0  Inner  6 parameters\n"
             "      W  f32 [1, 3]\n"
             "      b  f32 [3]\n");
}

BOOST_AUTO_TEST_CASE(describing_classes_in_templates) {
  const nn::Recurrent<nn::Zoneout<nn::RNNCell>> layer({.input = 2, .hidden = 3});
  BOOST_TEST(layer.describe() ==
             "Recurrent<Zoneout<RNNCell>>  18 parameters\n"
             "  0  Layer  18 parameters\n"
             "    forward  Zoneout<RNNCell>  18 parameters\n"
             "      Wx  f32 [2, 3]\n"
             "      Wh  f32 [3, 3]\n"
             "      b  f32 [3]\n");
}

BOOST_AUTO_TEST_CASE(copying_values) {
  Outer a({});
  Outer b({});
  BOOST_TEST(!all_equal(a.left.W, b.left.W).ok());
  Tensor handle = b.left.W;
  nn::copy_values(a, b);
  BOOST_TEST(all_equal(a.left.W, b.left.W));
  BOOST_TEST(all_equal(a.right.W, b.right.W));
  BOOST_TEST(all_equal(handle, a.left.W));
  nn::copy_values(a, a);
  BOOST_TEST(all_equal(a.left.W, b.left.W));

  Outer wider({.size = 7});
  const Tensor before = detach(wider.right.W).to(f64);
  check_text([&] { nn::copy_values(a, wider); },
             "[copy_values] left.W f32 [7, 3] against f32 [2, 3]; needed two models of equal "
             "paths, shapes and dtypes; "
             "hint: Model twin(model.options)");
  BOOST_TEST(all_equal(wider.right.W.to(f64), before));  // nothing was changed
  Outer more({});
  more.heads.add({});
  check_text([&] { nn::copy_values(a, more); },
             "[copy_values] heads.0.W f32 [2, 3] against nothing of that path; needed two models "
             "of equal paths, shapes "
             "and dtypes; hint: Model twin(model.options)");
  check_text([&] { nn::copy_values(more, a); },
             "[copy_values] nothing of that path against heads.0.W f32 [2, 3]; needed two models "
             "of equal paths, shapes "
             "and dtypes; hint: Model twin(model.options)");
  struct Empty : nn::Module {
  } empty;
  BOOST_CHECK_THROW(nn::copy_values(a, empty), Error);
  Outer wide({});
  wide.to(f64);
  BOOST_CHECK_THROW(nn::copy_values(a, wide), Error);
}

BOOST_AUTO_TEST_CASE(to_f64_and_back) {
  Outer model({});
  BOOST_TEST((model.dtype() == f32));
  const Tensor before = detach(model.left.W).to(f64);
  model.left.b.freeze();
  model.to(f64);
  BOOST_TEST((model.dtype() == f64));
  BOOST_TEST((model.heads.dtype() == f32));  // has none
  for (const auto& [path, p] : model.parameters()) BOOST_TEST((p.dtype() == f64));
  BOOST_TEST(all_equal(model.left.W, before));
  BOOST_TEST(model.left.b.is_frozen());
  BOOST_TEST(model.left.W.path() == "left.W");
  Tape tape;
  const auto grads = tape.backward(sum(model.left.W * model.left.W));
  BOOST_TEST(all_equal(grads[model.left.W], 2.0 * before));
  model.to(f32);
  BOOST_TEST(all_equal(model.left.W.to(f64), before));
  check_text([&] { model.to(i64); }, "[module] to(i64); needed f32 or f64");
}

// A part without parameters says nothing about the dtype.
BOOST_AUTO_TEST_CASE(dtype_is_that_of_the_first_parameter) {
  struct Bare : nn::Module {
    struct Options {
      double rate = 0.5;
    };
    explicit Bare(Options o) : options(o) {}
    const Options options;
    nn::Child<nn::Dropout> drop{*this, "drop", {.rate = options.rate}};
  };
  struct Model : nn::Module {
    nn::Child<Bare> bare{*this, "bare", {}};
    nn::Child<Inner> inner{*this, "inner", {}};
  } model;
  model.to(f64);
  BOOST_TEST((model.dtype() == f64));
}

BOOST_AUTO_TEST_CASE(a_change_of_dtype_is_noticed_by_a_tape) {
  Inner model({});
  Tape tape;
  const Tensor loss = sum(model.W);
  model.to(f64);
  check_text([&] { static_cast<void>(tape.backward(loss)); },
             "[backward] W was changed (change of dtype) after this tape read it; needed its old "
             "value; hint: call "
             "backward before step, or open a new Tape");
}

BOOST_AUTO_TEST_CASE(assigning) {
  Outer model({});
  const Tensor handle = model.left.W;
  model.left.W.assign(full({2, 3}, 4));
  BOOST_TEST(all_equal(handle, full({2, 3}, 4)));
  BOOST_TEST(all_equal(model.left.W, full({2, 3}, 4)));
  check_text(
      [&] {
        model.left.W.assign(zeros({3, 2}));
      },
      "[assign] f32 [3, 2] for left.W f32 [2, 3]; needed equal shapes and dtypes");
  check_text(
      [&] {
        model.left.W.assign(zeros({2, 3}, f64));
      },
      "[assign] f64 [2, 3] for left.W f32 [2, 3]; needed equal shapes and dtypes; hint: "
      "values.to(f32)");
  BOOST_CHECK_THROW(model.left.W.assign(Tensor()), Error);
  {
    Tape tape;
    const Tensor loss = sum(model.left.W);
    model.left.W.assign(zeros({2, 3}));
    check_text([&] { static_cast<void>(tape.backward(loss)); },
               "[backward] left.W was changed (assignment) after this tape read it; needed its old "
               "value; hint: call "
               "backward before step, or open a new Tape");
  }
  Tape tape;
  const Tensor read = sum(model.left.W);
  nn::copy_values(Outer({}), model);
  check_text([&] { static_cast<void>(model.left.W + model.left.W); },
             "[add] left.W was changed (copy_values) after this tape read it; needed its old "
             "value; hint: call backward "
             "before step, or open a new Tape");
}

// From a view of itself.
BOOST_AUTO_TEST_CASE(assigning_its_own_elements) {
  struct Square : nn::Module {
    nn::Parameter W{*this, "W", {3, 3}, init::normal(1)};
  } model;
  const Tensor before = contiguous(transpose(model.W, 0, 1)).to(f64);
  model.W.assign(transpose(model.W, 0, 1));
  BOOST_TEST(all_equal(model.W.to(f64), before));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
