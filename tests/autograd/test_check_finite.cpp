// Tape({.check_finite = true}): what it stops at, and what it says.
#include <unroll/autograd/scope.h>

#include <cmath>
#include <limits>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/leaves.h"

namespace unroll::test {
namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// A place in a model, without a module.
struct At {
  explicit At(const char* path, Index step = -1)
      : frame(
            path, [](const void* p) { return std::string(static_cast<const char*>(p)); }, step) {}
  detail::ScopeFrame frame;
};

const std::string first =
    "; needed finite values; hint: this is the first operation of the tape "
    "where they arise";
const std::string first_back =
    "; needed finite values; hint: this is the first derivative where they arise";
const std::string masks =
    "a mask: masked_fill(x, mask, -INFINITY) passes, and softmax(x, -1, {.mask = mask})";

}  // namespace

BOOST_AUTO_TEST_SUITE(finite_check)

BOOST_AUTO_TEST_CASE(forward_names_operation_place_shapes_and_index) {
  const Tensor p = make_parameter(tensor({{1.0, 2.0, 3.0}, {4.0, 0.0, -1.0}}), "head.p");
  Tape tape({.check_finite = true});
  const At here("encoder.cell", 7);
  const Index nodes = tape.nodes();
  try {
    static_cast<void>(log(p));
    BOOST_ERROR("nothing was thrown");
  } catch (const Error& e) {
    BOOST_TEST(e.operation() == "log");
    BOOST_TEST(e.path() == "encoder.cell");
    BOOST_TEST(e.step() == 7);
    BOOST_TEST(e.what() ==
               "[log] at encoder.cell, t=7: makes f32 [2, 3] with 1 NaN and 1 infinite, first at "
               "[1, 1], from head.p f32 [2, 3] (finite, 0 there)" +
                   first);
  }
  BOOST_TEST(tape.nodes() == nodes);  // what throws has recorded nothing
  BOOST_TEST(tape.backward(sum(p * p))[p].span<float>()[2] == 6.0F);
}

// Recorded by record(), not as a pointwise function; of several operands, one that broadcasts.
BOOST_AUTO_TEST_CASE(operations_that_are_not_pointwise) {
  const Tensor W = make_parameter(full({2, 2}, 3e38), "W");
  Tape tape({.check_finite = true});
  const Tensor x = tape.watch(tensor({{0.5, 0.5}, {0.5, 0.0}, {2.0, 2.0}}));
  BOOST_TEST(error_text([&] { static_cast<void>(matmul(x, W)); }) ==
             "[matmul] makes f32 [3, 2] with 2 infinite, first at [2, 0], from f32 [3, 2] (finite, "
             "2 there), W f32 [2, 2] (finite)" +
                 first);
  tape.name(x, "features");
  BOOST_TEST(error_text([&] {
               static_cast<void>(x / tensor({1.0, 0.0}));
             }) ==
             "[div] makes f32 [3, 2] with 1 NaN and 2 infinite, first at [0, 1], from features f32 "
             "[3, 2] (finite, 0.5 there), f32 [2] (finite)" +
                 first);
  BOOST_TEST(error_text([&] { static_cast<void>(x / zeros({})); }).find("f32 [] (0)") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_came_in_with_a_constant_or_a_leaf_is_said) {
  const Tensor p = make_parameter(tensor({1.0, nan}), "head.p");
  Tape tape({.check_finite = true});
  const Tensor x = tape.watch(tensor({1.0, 2.0}));
  BOOST_TEST(
      error_text([&] {
        static_cast<void>(x + tensor({nan, 1.0}));
      }) ==
      "[add] makes f32 [2] with 1 NaN, first at [0], from f32 [2] (finite, 1 there), f32 [2] "
      "(1 NaN, first at [0], nan there); needed finite values; hint: the constant brought "
      "them in; " +
          masks);
  BOOST_TEST(error_text([&] { static_cast<void>(x + p); }) ==
             "[add] makes f32 [2] with 1 NaN, first at [1], from f32 [2] (finite, 2 there), head.p "
             "f32 [2] (1 NaN, first at [1], nan there); needed finite values; hint: head.p f32 [2] "
             "had them when the tape first read it");
  // Constants alone are not looked at; what they spoil is.
  const Tensor spoiled = log(tensor({-1.0, 1.0}));
  BOOST_TEST(tape.nodes() == 0);
  BOOST_TEST(error_text([&] { static_cast<void>(x * spoiled); }).starts_with("[mul] makes "));
  BOOST_TEST(sum(where(tensor({0.0, 1.0}), spoiled, x)).item() == 1.0);
}

BOOST_AUTO_TEST_CASE(of_many_operands_the_first_and_the_bad_ones) {
  Tape tape({.check_finite = true});
  std::vector<Tensor> parts(6, tape.watch(ones({2})));
  parts[4] = tensor({1.0, inf});
  BOOST_TEST(
      error_text([&] { static_cast<void>(stack(parts, 0)); }) ==
      "[stack] makes f32 [6, 2] with 1 infinite, first at [4, 1], from f32 [2] (finite), f32 [2] "
      "(finite), f32 [2] (finite), f32 [2] (1 infinite, first at [1]) and 2 more (finite); needed "
      "finite values; hint: the constant brought them in; " +
          masks);
}

BOOST_AUTO_TEST_CASE(masks_of_minus_infinity_pass) {
  Tape tape({.check_finite = true});
  const Tensor scores = tape.watch(tensor({{1.0, 2.0, 3.0}, {0.5, 0.1, 0.2}}));
  const Tensor mask = tensor({{0.0, 1.0, 0.0}, {0.0, 0.0, 1.0}});
  const Tensor added = scores + log(1.0 - mask);  // log(0) of constants
  const Tensor filled = masked_fill(scores, mask, -inf);
  const Tensor chosen = where(mask, full({2, 3}, -inf), scores);
  const Tensor scaled = filled * 0.5 - 1.0;
  Tensor loss = zeros({});
  for (const Tensor& s : {added, filled, chosen, scaled})
    loss = loss + sum(square(softmax(transpose(s, 0, 1), 0)));
  const Tensor g = tape.gradient(loss, scores);
  BOOST_TEST(g.span<float>()[1] == 0.0F);
  BOOST_TEST(g.span<float>()[0] != 0.0F);
  // NaN and inf made of them do not, nor -inf that no constant brings in or that a leaf holds.
  BOOST_TEST(error_text([&] {
               static_cast<void>(filled * 0.0);
             }).starts_with("[mul_number] makes f32 [2, 3] with 2 NaN, first at [0, 1], from "));
  BOOST_TEST(error_text([&] { static_cast<void>(-filled); })
                 .ends_with("with 2 infinite, first at [0, 1], from f32 [2, 3] (2 infinite, first "
                            "at [0, 1], -inf there); needed finite values; hint: " +
                            masks));
  BOOST_TEST(error_text([&] {
               static_cast<void>(log(scores - detach(scores)));
             }).starts_with("[log] makes f32 [2, 3] with 6 infinite, first at [0, 0], from "));
  const Tensor leaf = tape.watch(tensor({-inf, 1.0}));
  BOOST_TEST(error_text([&] { static_cast<void>(leaf * 2.0); }).starts_with("[mul_number] makes "));
}

BOOST_AUTO_TEST_CASE(backward_names_the_operation_whose_derivative_it_is) {
  const Tensor p = make_parameter(tensor({4.0, 0.0}), "head.p");
  Tape tape({.check_finite = true});
  Tensor y;
  {
    const At here("head", 2);
    y = sqrt(p * 1.0);
  }
  const Tensor loss = sum(tanh(y) * 2.0);
  const std::string expected =
      "[sqrt] at head, t=2: its derivative makes gradient of operand 0 f32 [2] with 1 infinite, "
      "first at [1], given f32 [2] (finite, 2 there), reading f32 [2] (finite, 0 there)" +
      first_back;
  try {
    static_cast<void>(tape.backward(loss, {.retain = true}));
    BOOST_ERROR("nothing was thrown");
  } catch (const Error& e) {
    BOOST_TEST(e.what() == expected);
    BOOST_TEST(e.operation() == "sqrt");
    BOOST_TEST(e.path() == "head");
    BOOST_TEST(e.step() == 2);
  }
  BOOST_TEST(tape.is_open());
  // Recorded: also the operation inside of the rule that did it.
  BOOST_TEST(
      error_text([&] { static_cast<void>(tape.gradient(loss, p, {.differentiable = true})); }) ==
      "[sqrt] at head, t=2: its derivative, at pointwise_gradient, makes f32 [2] with 1 "
      "infinite, first at [1], from f32 [2] (finite, 0 there), f32 [2] (finite, 2 there)" +
          first_back);
  BOOST_TEST(error_text([&] { static_cast<void>(tape.backward(loss)); }) == expected);
  BOOST_TEST(!tape.is_open());
}

BOOST_AUTO_TEST_CASE(gradient_of_a_leaf_itself) {
  const Tensor p = make_parameter(tensor({1.0, 0.0}), "head.p");
  Tape tape({.check_finite = true});
  BOOST_TEST(error_text([&] { static_cast<void>(tape.backward(sum(sqrt(p)))); }) ==
             "[sqrt] its derivative makes gradient of operand 0 head.p f32 [2] with 1 infinite, "
             "first at [1], given f32 [2] (finite, 1 there), reading head.p f32 [2] (finite, 0 "
             "there)" +
                 first_back);
}

// The gradient lies in a region of a larger one: the index is the operand's own.
BOOST_AUTO_TEST_CASE(gradients_in_place_of_a_view) {
  Tape tape({.check_finite = true});
  const Tensor root = tape.watch(tensor({{1.0, 1.0, 1.0, 1.0}, {1.0, 1.0, 0.0, 1.0}}));
  const Tensor x = root * 1.0;
  const Tensor part = slice(x, {.axis = 1, .from = 1, .to = 3});
  const Tensor loss = sum(part * 3.0) + sum(sqrt(part)) + sum(x);
  BOOST_TEST(error_text([&] { static_cast<void>(tape.gradient(loss, part)); })
                 .starts_with("[sqrt] its derivative makes gradient of operand 0 f32 [2, 2] with 1 "
                              "infinite, first at [1, 1], "));
  BOOST_TEST(error_text([&] { static_cast<void>(tape.gradient(loss, root)); })
                 .starts_with("[sqrt] its derivative makes gradient of operand 0 f32 [2, 2] with 1 "
                              "infinite, first at [1, 1], "));
}

// Products of a weight over time are taken together, and the one to blame is found.
BOOST_AUTO_TEST_CASE(gathered_products) {
  const Tensor W = make_parameter(full({2, 2}, 1e-30), "cell.Wh");
  const auto run = [&](double at_two, double elsewhere) {
    Tape tape({.check_finite = true});
    const Tensor x = tape.watch(full({3, 2}, 1e10));
    Tensor loss = zeros({});
    for (Index t = 0; t < 4; ++t) {
      const At here("cell", t);
      loss = loss + sum(matmul(x, W) * (t == 2 ? at_two : elsewhere));
    }
    return error_text([&] { static_cast<void>(tape.backward(loss)); });
  };
  BOOST_TEST(run(1e29, 1.0) ==
             "[matmul] at cell, t=2: its derivative makes gradient of operand 1 cell.Wh f32 [2, 2] "
             "with 4 infinite, first at [0, 0], given f32 [3, 2] (finite), reading f32 [3, 2] "
             "(finite)" +
                 first_back);
  BOOST_TEST(run(1.0, 1.0) == "");
  BOOST_TEST(run(0.9e28, 0.9e28) ==
             "[backward] finite gradients of cell.Wh f32 [2, 2] add up to 4 infinite, first at [0, "
             "0]; needed finite values; hint: a smaller loss");
}

BOOST_AUTO_TEST_CASE(rows_of_a_table) {
  const Tensor table = make_parameter(full({5, 2}, 1e-30), "embed.table");
  {
    Tape tape({.check_finite = true});
    const Tensor rows = embedding(table, tensor({3, 1, 3}));
    const Tensor loss = sum(rows * tensor({{1.0, 1.0}, {1.0, 1.0}, {1.0, 1.0}}));
    BOOST_TEST(tape.backward(loss).find(table)->is_sparse());
  }
  Tape tape({.check_finite = true});
  const Tensor rows = embedding(table, tensor({3, 1, 3}));
  const Tensor loss = sum(rows * tensor({{1.0, 3e38}, {1.0, 1.0}, {1.0, 3e38}}));
  BOOST_TEST(error_text([&] { static_cast<void>(tape.backward(loss)); }) ==
             "[backward] finite gradients of embed.table f32 [5, 2] add up to 1 infinite, first at "
             "[3, 1]; needed finite values; hint: a smaller loss");
}

BOOST_AUTO_TEST_CASE(upstream_that_is_not_finite) {
  Tape tape({.check_finite = true});
  const Tensor x = tape.watch(ones({2}));
  BOOST_TEST(error_text([&] {
               static_cast<void>(tape.gradient(x * 2.0, x, {.upstream = tensor({1.0, nan})}));
             }) == "[backward] upstream f32 [2] has 1 NaN, first at [1]; needed finite values");
}

// The gradient of a gradient: the place is that of the operation whose derivative it was.
BOOST_AUTO_TEST_CASE(second_order) {
  Tape tape({.check_finite = true});
  const Tensor x = tape.watch(tensor({0.0, 1.0}, f64));
  Tensor y;
  {
    const At here("critic", 5);
    y = pow(x, 1.5);
  }
  const Tensor g = tape.gradient(sum(y), x, {.differentiable = true});
  const std::string text = error_text([&] { static_cast<void>(tape.gradient(sum(g), x)); });
  BOOST_TEST(text.find(" at critic, t=5: its derivative makes gradient of operand 0 f64 [2] with 1 "
                       "infinite, first at [0], ") != std::string::npos,
             text);
}

// Results are the same bits with the check and without.
BOOST_AUTO_TEST_CASE(changes_no_result) {
  seed(4);
  const Tensor W = make_parameter(uniform({4, 4}, -1, 1), "W");
  const Tensor b = make_parameter(uniform({4}, -1, 1), "b");
  const Tensor x = uniform({6, 3, 4}, -1, 1);
  const auto run = [&](bool check) {
    Tape tape({.check_finite = check});
    Tensor h = zeros({3, 4});
    for (Index t = 0; t < 6; ++t)
      h = tanh(affine(select(x, 0, t) + h, W, b) + matmul(slice(h, {.axis = 1, .to = 4}), W));
    return tape.backward(sum(h * h));
  };
  const Gradients with = run(true), without = run(false);
  BOOST_TEST(all_equal(with[W], without[W]));
  BOOST_TEST(all_equal(with[b], without[b]));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
