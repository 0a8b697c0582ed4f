// What goes wrong in operations that users write, and what is said then.
#include <cmath>
#include <optional>
#include <stdexcept>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"
#include "support/leaves.h"
#include "support/numeric.h"

namespace unroll::test {
namespace {

Tensor points() { return tensor({-3.0, -0.25, 0.0, 0.5, 40.0}, f64); }

// What a function of one operand that is wrong somewhere says when it is differentiated.
template <class Op>
std::string backward_text(const Op& op, const Tensor& at) {
  return error_text([&] {
    Tape tape;
    const Tensor x = tape.watch(at);
    const Tensor y = op(x);
    static_cast<void>(tape.gradient(y, x, {.upstream = ones_like(y)}));
  });
}

inline constexpr CustomOp<1> negated{
    .name = "negated",
    .forward = [](const auto& in) { return -in[0]; },
    .derivative = [](const auto&, const Tensor& dy) { return std::array{-dy}; }};

}  // namespace

BOOST_AUTO_TEST_SUITE(custom_op_mistakes)

BOOST_AUTO_TEST_CASE(touching_what_is_not_saved) {
  const auto reading = [](Saves saves, auto derivative) {
    return backward_text(CustomOp<1>{.name = "op",
                                     .forward = [](const auto& in) { return in[0] * 2.0; },
                                     .derivative = derivative,
                                     .saves = saves},
                         points());
  };
  const auto input = [](const auto& s, const Tensor& dy) { return std::array{dy * s.inputs[0]}; };
  const auto output = [](const auto& s, const Tensor& dy) { return std::array{dy * s.output()}; };
  const std::string no_input =
      "[op] derivative reads input 0, which .saves does not list; needed what is saved; hint: "
      ".saves = Saves::inputs, or Saves::both";
  const std::string no_output =
      "[op] derivative reads the output, which .saves does not list; needed what is saved; hint: "
      ".saves = Saves::output, or Saves::both";
  BOOST_TEST(reading(Saves::none, input) == no_input);
  BOOST_TEST(reading(Saves::output, input) == no_input);
  BOOST_TEST(reading(Saves::none, output) == no_output);
  BOOST_TEST(reading(Saves::inputs, output) == no_output);
  BOOST_TEST(reading(Saves::inputs, [](const auto& s, const Tensor& dy) {
               return std::array{dy * s.inputs[1]};
             }) == "[op] derivative reads input 1; needed 0 … 0");
}

BOOST_AUTO_TEST_CASE(answers_that_do_not_fit) {
  const auto answering = [](auto derivative) {
    return backward_text(
        CustomOp<1>{.name = "op",
                    .forward = [](const auto& in) { return sum(in[0], 0, {.keepdim = true}); },
                    .derivative = derivative},
        zeros({1, 3}));
  };
  BOOST_TEST(answering([](const auto&, const Tensor&) { return std::array{zeros({2})}; }) ==
             "[op] derivative returned f32 [2] for input 0 f32 [1, 3]; needed [1, 3]; hint: dy has "
             "the shape of the output; expand(g, saved.input_shape(0))");
  BOOST_TEST(answering([](const auto&, const Tensor&) { return std::array{zeros({})}; }) ==
             "[op] derivative returned f32 [] for input 0 f32 [1, 3]; needed [1, 3]; hint: dy has "
             "the shape of the output; expand(g, saved.input_shape(0))");
  BOOST_TEST(answering([](const auto&, const Tensor&) {
               return std::array{zeros({4, 3})};
             }) ==
             "[op] derivative returned f32 [4, 3] for input 0 f32 [1, 3]; needed [1, 3]; hint: dy "
             "has the shape of the output; expand(g, saved.input_shape(0))");
  BOOST_TEST(answering([](const auto&, const Tensor& dy) { return std::array{dy.to(f64)}; }) ==
             "[op] derivative returned f64 [1, 3] for input 0 f32 [1, 3]; needed f32; hint: "
             "g.to(f32)");
  BOOST_TEST(answering([](const auto&, const Tensor&) { return std::array{Tensor()}; }) ==
             "[op] derivative returned nothing for input 0 f32 [1, 3]; needed its gradient, since "
             "saved.needs(0); hint: zeros_like(x) where nothing flows");
  const CustomOp<2> wide{.name = "wide",
                         .forward = [](const auto& in) { return in[0] * in[1]; },
                         .derivative =
                             [](const auto&, const Tensor&) {
                               return std::array{Tensor(), zeros({2, 2, 3})};
                             }};
  BOOST_TEST(backward_text(
                 [&](const Tensor& x) {
                   return wide(zeros({2, 3}), x);
                 },
                 zeros({3})) ==
             "[wide] derivative returned f32 [2, 2, 3] for input 1 f32 [3]; needed [3], or up to "
             "[2, 3]; hint: dy has the shape of the output; expand(g, saved.input_shape(1))");
}

BOOST_AUTO_TEST_CASE(results_and_operands_that_do_not_fit) {
  const auto returning = [](auto forward) {
    return error_text([&] {
      const CustomOp<1> op{
          .name = "op", .forward = forward, .derivative = [](const auto&, const Tensor& dy) {
            return std::array{dy};
          }};
      static_cast<void>(op(points()));
    });
  };
  BOOST_TEST(
      returning([](const auto&) { return Tensor(); }) ==
      "[op] forward returned an undefined tensor; needed a tensor; hint: return abs(in[0]);");
  BOOST_TEST(returning([](const auto& in) { return in[0].to(i64); }) ==
             "[op] forward returned i64 [5]; needed f32 or f64; hint: what has no derivative is a "
             "function, not a CustomOp; y.to(f32)");
  BOOST_TEST(
      error_text([] { static_cast<void>(negated(Tensor())); }) ==
      "[negated] operand 0 is undefined; needed a tensor; hint: a default-constructed Tensor "
      "holds nothing; zeros({2, 3}) makes one");
  Tensor stale;
  {
    Tape ended;
    stale = ended.watch(points()) * 1.0;
  }
  Tape tape;
  const std::string text = error_text([&] { static_cast<void>(negated(stale)); });
  BOOST_TEST(text.starts_with("[negated] f64 [5] belongs to a tape that has ended"));
  BOOST_TEST(tape.nodes() == 0);
}

BOOST_AUTO_TEST_CASE(parts_that_are_missing) {
  const auto forward = [](const auto& in) { return in[0]; };
  const auto derivative = [](const auto&, const Tensor& dy) { return std::array{dy}; };
  const std::string rest =
      "; needed all three; hint: CustomOp<1> op{.name = \"op\", .forward = …, .derivative = …}";
  const auto text = [](const CustomOp<1>& op) {
    return error_text([&] { static_cast<void>(op(points())); });
  };
  BOOST_TEST(text({.forward = forward, .derivative = derivative}) ==
             "[custom_op] a CustomOp without a .name" + rest);
  BOOST_TEST(text({.name = "op", .derivative = derivative}) ==
             "[op] a CustomOp without a .forward" + rest);
  BOOST_TEST(text({.name = "op", .forward = forward}) ==
             "[op] a CustomOp without a .derivative" + rest);
}

// Operations that a function calls complain in their own words, behind the name of what called them.
BOOST_AUTO_TEST_CASE(errors_from_within_name_it) {
  constexpr CustomOp<2> product{.name = "product",
                                .forward = [](const auto& in) { return in[0] * in[1]; },
                                .derivative =
                                    [](const auto& s, const Tensor& dy) {
                                      return std::array{matmul(dy, s.inputs[1]), dy};
                                    },
                                .saves = Saves::inputs};
  const std::string of_mul = error_text([] { static_cast<void>(zeros({2}) * zeros({3})); });
  BOOST_TEST(of_mul.starts_with("[mul] f32 [2] and f32 [3] do not broadcast"));
  BOOST_TEST(error_text([&] { static_cast<void>(product(zeros({2}), zeros({3}))); }) ==
             "[product] forward: " + of_mul);
  const std::string of_matmul = error_text([] {
    static_cast<void>(matmul(ones({1, 3}), ones({1, 3})));
  });
  BOOST_TEST(of_matmul.starts_with("[matmul] "));
  for (const bool differentiable : {false, true}) {
    Tape tape;
    const Tensor x = tape.watch(ones({1, 3}));
    const Tensor y = product(x, ones({1, 3}));
    BOOST_TEST(error_text([&] {
                 static_cast<void>(tape.gradient(
                     y, x, {.upstream = ones({1, 3}), .differentiable = differentiable}));
               }) == "[product] derivative: " + of_matmul);
  }
  // One within another names both, and who threw is told to programs.
  static constexpr CustomOp<1> inner{
      .name = "inner",
      .forward = [](const auto& in) { return in[0] * zeros({7}); },
      .derivative = [](const auto&, const Tensor& dy) { return std::array{dy}; }};
  constexpr CustomOp<1> outer{
      .name = "outer",
      .forward = [](const auto& in) { return inner(in[0]); },
      .derivative = [](const auto&, const Tensor& dy) { return std::array{dy}; }};
  BOOST_CHECK_EXCEPTION(static_cast<void>(outer(zeros({2}))), Error, [](const Error& e) {
    return e.operation() == "outer" &&
           std::string(e.what()).starts_with("[outer] forward: [inner] forward: [mul] f32 [2] and");
  });
}

BOOST_AUTO_TEST_CASE(finite_check_names_it) {
  constexpr CustomOp<1> my_log{
      .name = "my_log",
      .forward = [](const auto& in) { return log(in[0]); },
      .derivative = [](const auto& saved,
                       const Tensor& dy) { return std::array{dy / saved.inputs[0]}; },
      .saves = Saves::inputs};
  Tape tape({.check_finite = true});
  const Tensor x = tape.watch(tensor({1.0, -1.0}));
  BOOST_TEST(error_text([&] { static_cast<void>(my_log(x)); }).starts_with("[my_log] makes"));
}

// A pass that user code ends has changed nothing: leaves that it entered are gone again.
BOOST_AUTO_TEST_CASE(rule_that_throws_leaves_the_tape_as_it_was) {
  static thread_local std::optional<Tensor> W;
  static thread_local bool fails = true;
  W = make_parameter(points(), "W");
  constexpr CustomOp<1> op{.name = "op",
                           .forward = [](const auto& in) { return in[0] * 1.0; },
                           .derivative =
                               [](const auto&, const Tensor& dy) {
                                 const Tensor g = dy * *W;
                                 if (fails) throw std::domain_error("not today");
                                 return std::array{g};
                               }};
  Tape tape;
  const Tensor x = tape.watch(points());
  const Tensor P = make_parameter(ones({5}, f64), "P");
  const Tensor y = sum(op(x * P));
  const Index nodes = tape.nodes();
  const std::size_t known = tape.snapshot().values.size();
  BOOST_CHECK_THROW(static_cast<void>(tape.gradient(y, x, {.differentiable = true})),
                    std::domain_error);
  BOOST_TEST(tape.nodes() == nodes);
  BOOST_TEST(tape.snapshot().values.size() == known);
  fails = false;
  const Tensor z = sum(*W * x * x);
  BOOST_TEST(all_equal(tape.gradient(z, *W), square(points())).ok());
  const Tensor g = tape.gradient(y, x, {.differentiable = true});
  BOOST_TEST(all_equal(g, points()).ok());
  BOOST_TEST(all_equal(tape.gradient(sum(square(g)), *W), 2.0 * points()).ok());
  fails = true;
  BOOST_CHECK_THROW(static_cast<void>(tape.backward(y, {.retain = true})), std::domain_error);
  BOOST_TEST(tape.is_open());
  BOOST_CHECK_THROW(static_cast<void>(tape.backward(y + sum(*W))), std::domain_error);
  BOOST_TEST(!tape.is_open());
  W.reset();
}

BOOST_AUTO_TEST_CASE(answer_of_another_tape) {
  static thread_local Tensor stale;
  {
    Tape ended;
    stale = ended.watch(points()) * 1.0;
  }
  constexpr CustomOp<1> op{
      .name = "op",
      .forward = [](const auto& in) { return in[0] * 1.0; },
      .derivative = [](const auto&, const Tensor&) { return std::array{stale}; }};
  Tape tape;
  const Tensor x = tape.watch(points());
  const Tensor y = sum(op(x));
  BOOST_TEST(all_equal(tape.gradient(y, x), points()).ok());
  BOOST_TEST(error_text([&] {
               static_cast<void>(tape.gradient(y, x, {.differentiable = true}));
             }).starts_with("[op] f64 [5] belongs to a tape that has ended"));
  stale = Tensor();
}

BOOST_AUTO_TEST_CASE(rule_may_not_run_its_own_tape) {
  static thread_local Tape* running = nullptr;
  constexpr CustomOp<1> op{.name = "op",
                           .forward = [](const auto& in) { return in[0] * 1.0; },
                           .derivative =
                               [](const auto& saved, const Tensor&) {
                                 const Tensor x = saved.inputs[0];
                                 return std::array{running->gradient(sum(x), x)};
                               },
                           .saves = Saves::inputs};
  Tape tape;
  running = &tape;
  const Tensor x = tape.watch(points());
  const Tensor y = sum(op(x));
  check_text([&] { static_cast<void>(tape.gradient(y, x)); },
             "[op] derivative: [gradient] a call by a hook or a derivative that this tape runs; "
             "needed one pass "
             "over a tape at a time; hint: keep the tensor, and call it after the pass");
  BOOST_TEST(all_equal(tape.gradient(sum(x), x), ones({5}, f64)).ok());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
