// Operations that users write: their values, derivatives, records and mistakes.
#include <unroll/autograd/leaf.h>
#include <unroll/autograd/operation.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <thread>

#include <boost/test/unit_test.hpp>

#include "support/leaves.h"
#include "support/numeric.h"
#include "support/scale_gradient.h"

namespace unroll::test {
namespace {

inline constexpr CustomOp<1> log_cosh{
    .name = "log_cosh",
    .forward =
        [](const auto& in) { return abs(in[0]) + softplus(-2.0 * abs(in[0])) - std::log(2.0); },
    .derivative = [](const auto& saved,
                     const Tensor& dy) { return std::array{dy * tanh(saved.inputs[0])}; },
    .saves = Saves::inputs,
    .check =
        [] {
          return Check{
              .cases = {{.name = "vector",
                         .inputs = {{.shape = {5}, .low = -3, .high = 3}},
                         .call = [](std::span<const Tensor> in) { return log_cosh(in[0]); }}}};
        },
    .formula = "log cosh x; tanh x"};
const RegisteredCustomOp registered{log_cosh};

inline constexpr CustomOp<2> product{.name = "product",
                                     .forward = [](const auto& in) { return in[0] * in[1]; },
                                     .derivative =
                                         [](const auto& saved, const Tensor& dy) {
                                           return std::array{
                                               saved.needs(0) ? dy * saved.inputs[1] : Tensor(),
                                               saved.needs(1) ? dy * saved.inputs[0] : Tensor()};
                                         },
                                     .saves = Saves::inputs};

inline constexpr CustomOp<2> plus{.name = "plus",
                                  .forward = [](const auto& in) { return in[0] + in[1]; },
                                  .derivative =
                                      [](const auto&, const Tensor& dy) {
                                        return std::array{dy, dy};
                                      }};

Tensor points() { return tensor({-3.0, -0.25, 0.0, 0.5, 40.0}, f64); }

}  // namespace

BOOST_AUTO_TEST_SUITE(custom_op)

BOOST_AUTO_TEST_CASE(value_and_two_derivatives_are_those_of_the_function) {
  Tape tape;
  const Tensor x = tape.watch(points());
  const Tensor y = log_cosh(x);
  const Tensor first = tape.gradient(sum(y), x, {.differentiable = true});
  const Tensor second = tape.gradient(sum(first), x);
  for (std::size_t i = 0; i < 5; ++i) {
    const long double at = points().span<double>()[i];
    const long double t = std::tanh(at);
    BOOST_TEST(values(y)[i] == static_cast<double>(std::log(std::cosh(at))),
               boost::test_tools::tolerance(1e-14));
    BOOST_TEST(values(first)[i] == static_cast<double>(t), boost::test_tools::tolerance(1e-15));
    BOOST_TEST(std::abs(values(second)[i] - static_cast<double>(1 - t * t)) < 1e-15);
  }
}

BOOST_AUTO_TEST_CASE(log_cosh_gradient) {
  const auto report = gradcheck(log_cosh, {uniform({3, 4}, -4, 4)}, {.order = 2});
  BOOST_TEST(report.ok(), report);
}

// The rule forgets that the derivative of a product has two factors.
BOOST_AUTO_TEST_CASE(gradcheck_finds_a_wrong_rule) {
  constexpr CustomOp<2> wrong{.name = "wrong",
                              .forward = [](const auto& in) { return in[0] * in[1]; },
                              .derivative =
                                  [](const auto& saved, const Tensor& dy) {
                                    return std::array{dy * saved.inputs[1], dy * saved.inputs[1]};
                                  },
                              .saves = Saves::inputs};
  const Tensor a = uniform({3}, 1, 2), b = uniform({3}, 3, 4);
  const auto right = gradcheck(product, {a, b}, {.order = 2});
  BOOST_TEST(right.ok(), right);
  BOOST_TEST(!gradcheck(wrong, {a, b}).ok());
}

BOOST_AUTO_TEST_CASE(record_is_one_node_with_its_name) {
  Tape tape;
  const Tensor x = tape.watch(points());
  const Tensor y = log_cosh(x);
  BOOST_TEST(tape.nodes() == 1);
  BOOST_TEST(tape.snapshot().nodes.at(0).operation == "log_cosh");
  static_cast<void>(tape.gradient(sum(y), x));
  BOOST_TEST(tape.nodes() == 2);
}

BOOST_AUTO_TEST_CASE(without_a_tape_or_a_history_nothing_is_recorded) {
  BOOST_TEST(all_close(log_cosh(points()), log(0.5 * (exp(points()) + exp(-points())))).ok());
  Tape tape;
  static_cast<void>(log_cosh(points()));
  BOOST_TEST(tape.nodes() == 0);
}

BOOST_AUTO_TEST_CASE(registered_record_is_the_recorded_one) {
  const auto all = registered_operations();
  const auto count = std::count(all.begin(), all.end(), &log_cosh.operation());
  BOOST_TEST(count == 1);
  BOOST_TEST(std::string(log_cosh.operation().file).find("test_custom_op") != std::string::npos);
  const RegisteredCustomOp again{log_cosh};
  BOOST_TEST(registered_operations().size() == all.size());
}

BOOST_AUTO_TEST_CASE(record_is_the_same_for_all_threads) {
  std::vector<const Operation*> found(8);
  std::vector<std::thread> threads;
  for (const Operation*& to : found) threads.emplace_back([&to] { to = &product.operation(); });
  for (std::thread& t : threads) t.join();
  for (const Operation* one : found) BOOST_TEST(one == &product.operation());
}

// Neither the operation nor the characters of its name live when the tape runs it.
BOOST_AUTO_TEST_CASE(operation_may_die_before_the_tape) {
  Tape tape;
  const Tensor x = tape.watch(points());
  Tensor y;
  {
    auto name = std::make_unique<std::string>("a name too long for the small buffer");
    const CustomOp<1> local{
        .name = name->c_str(),
        .forward = [](const auto& in) { return in[0] * in[0]; },
        .derivative = [](const auto& saved,
                         const Tensor& dy) { return std::array{2.0 * dy * saved.inputs[0]}; },
        .saves = Saves::inputs};
    y = local(x);
    name->assign(40, 'x');
  }
  BOOST_TEST(tape.snapshot().nodes.at(0).operation == "a name too long for the small buffer");
  BOOST_TEST(all_equal(tape.gradient(sum(y), x), 2.0 * points()).ok());
}

BOOST_AUTO_TEST_CASE(broadcast_operands_get_summed_gradients) {
  Rng rng(5);
  const Tensor a = uniform({3, 4}, -1, 1, rng, f64), b = uniform({4}, -1, 1, rng, f64);
  const Tensor w = random_weights({3, 4}, rng);
  for (const bool differentiable : {false, true}) {
    Tape tape;
    const Tensor x = tape.watch(a), y = tape.watch(b);
    const auto mine =
        tape.gradient(sum(w * product(x, y)), {x, y}, {.differentiable = differentiable});
    const auto ours = tape.gradient(sum(w * (x * y)), {x, y});
    for (std::size_t i = 0; i < 2; ++i)
      BOOST_TEST(all_close(mine[i], ours[i], {.relative = 1e-14}).ok());
  }
}

BOOST_AUTO_TEST_CASE(one_gradient_for_two_inputs_and_one_tensor_twice) {
  Rng rng(6);
  const Tensor a = uniform({3, 4}, -1, 1, rng, f64), b = uniform({3, 4}, -1, 1, rng, f64);
  const auto graph = [](const auto& add, const Tensor& x, const Tensor& y) {
    const Tensor s = add(tanh(x), tanh(y));
    return sum(square(add(s, add(s, x)) * y));
  };
  for (const bool differentiable : {false, true}) {
    Tape tape;
    const Tensor x = tape.watch(a), y = tape.watch(b);
    const auto mine = tape.gradient(graph(plus, x, y), {x, y}, {.differentiable = differentiable});
    const auto ours =
        tape.gradient(graph([](const Tensor& p, const Tensor& q) { return p + q; }, x, y), {x, y});
    for (std::size_t i = 0; i < 2; ++i)
      BOOST_TEST(all_close(mine[i], ours[i], {.relative = 1e-13}).ok());
  }
}

BOOST_AUTO_TEST_CASE(rule_is_asked_only_for_what_is_needed) {
  static thread_local std::vector<bool> asked;
  constexpr CustomOp<3> spy{.name = "spy",
                            .forward = [](const auto& in) { return in[0] + in[1] + in[2]; },
                            .derivative =
                                [](const auto& saved, const Tensor& dy) {
                                  asked = {saved.needs(0), saved.needs(1), saved.needs(2)};
                                  return std::array{Tensor(), dy, Tensor()};
                                }};
  Tape tape;
  const Tensor x = tape.watch(points()), other = tape.watch(points());
  const Tensor y = sum(spy(points(), x, other) * other);
  BOOST_TEST(all_equal(tape.gradient(y, x), points()).ok());
  BOOST_TEST((asked == std::vector<bool>{false, true, false}));
  asked.clear();
  static_cast<void>(tape.gradient(sum(spy(x, x, x)) + sum(other), other));
  BOOST_TEST(asked.empty());
}

BOOST_AUTO_TEST_CASE(numbers_are_those_of_the_call) {
  Tape tape;
  const Tensor x = tape.watch(points());
  Scale scale{.by = -0.5};
  const Tensor y = scale_gradient(x, scale);
  scale.by = 7;
  BOOST_TEST(all_equal(y, points()).ok());
  BOOST_TEST(all_equal(tape.gradient(sum(y), x), full({5}, -0.5, f64)).ok());
  BOOST_TEST(all_equal(tape.gradient(sum(scale_gradient(x)), x), full({5}, 2, f64)).ok());
  const Tensor z = sum(scale_gradient(x, {.by = 3}) + scale_gradient(x, {.by = 0.25}));
  BOOST_TEST(all_equal(tape.gradient(z, x), full({5}, 3.25, f64)).ok());
}

BOOST_AUTO_TEST_CASE(whole_numbers_need_no_gradient) {
  constexpr CustomOp<2> scaled{.name = "scaled",
                               .forward = [](const auto& in) { return in[0] * in[1].to(f64); },
                               .derivative =
                                   [](const auto& saved, const Tensor& dy) {
                                     return std::array{dy * saved.inputs[1].to(f64), Tensor()};
                                   },
                               .saves = Saves::inputs};
  Tape tape;
  const Tensor x = tape.watch(tensor({1.0, 2.0}, f64));
  const Tensor n = tensor({3, 5});
  BOOST_TEST(all_equal(tape.gradient(sum(scaled(x, n)), x), tensor({3.0, 5.0}, f64)).ok());
}

BOOST_AUTO_TEST_CASE(parameters_are_inputs_like_others) {
  const Tensor W = make_parameter(points(), "head.W"), V = make_parameter(points(), "head.V");
  freeze(V);
  Tape tape;
  const auto grads = tape.backward(sum(product(W, V) + scale_gradient(W)));
  BOOST_TEST(grads.size() == 1);
  BOOST_TEST(all_equal(grads[W], points() + 2.0).ok());
}

// What forward returns may be somebody else's.
BOOST_AUTO_TEST_CASE(forward_may_return_what_others_hold) {
  static const Tensor constant = ones({5}, f64);
  constexpr CustomOp<1> to_constant{
      .name = "to_constant",
      .forward = [](const auto&) { return constant; },
      .derivative = [](const auto&, const Tensor& dy) { return std::array{dy}; }};
  for (int window = 0; window < 2; ++window) {
    Tape tape;
    const Tensor x = tape.watch(points());
    const Tensor y = to_constant(x);
    BOOST_TEST(y.header() != constant.header());
    BOOST_TEST(all_equal(tape.gradient(sum(y), x), ones({5}, f64)).ok());
    static_cast<void>(constant * x);  // would throw in the second window, had it a history
    const Tensor same = scale_gradient(x);
    BOOST_TEST(all_equal(tape.gradient(sum(x), x), ones({5}, f64)).ok());
    BOOST_TEST(all_equal(tape.gradient(sum(same), x), full({5}, 2, f64)).ok());
  }
}

BOOST_AUTO_TEST_CASE(tapes_inside_forward_and_derivative_are_their_own_matter) {
  constexpr CustomOp<1> cube{.name = "cube",
                             .forward =
                                 [](const auto& in) {
                                   Tape inner;
                                   const Tensor x = inner.watch(in[0]);
                                   const Tensor y = x * x * x;
                                   return y;
                                 },
                             .derivative =
                                 [](const auto& saved, const Tensor& dy) {
                                   Tensor slope;
                                   {
                                     Tape inner;
                                     const Tensor x = inner.watch(saved.inputs[0]);
                                     slope = detach(inner.gradient(sum(x * x * x), x));
                                   }
                                   return std::array{dy * slope};
                                 },
                             .saves = Saves::inputs};
  Tape tape;
  const Tensor x = tape.watch(points());
  const Tensor y = cube(x);
  BOOST_TEST(tape.nodes() == 1);
  const Tensor z = sum(y + x);
  BOOST_TEST(tape.nodes() == 3);
  BOOST_TEST(all_close(tape.gradient(z, x), 3.0 * square(points()) + 1.0).ok());
  BOOST_TEST(tape.nodes() == 3);  // nor did the rules after it record
  static_cast<void>(x * x);
  BOOST_TEST(tape.nodes() == 4);
}

// Inputs that the rule does not read do not stay alive for it.
BOOST_AUTO_TEST_CASE(only_what_is_listed_is_kept) {
  const auto kept = [](Saves saves) {
    const CustomOp<1> op{.name = "kept",
                         .forward = [](const auto& in) { return exp(in[0]); },
                         .derivative = [](const auto&, const Tensor& dy) { return std::array{dy}; },
                         .saves = saves};
    Tape tape;
    const Tensor x = tape.watch(points()) + 1.0;
    const auto before = x.header()->references.load();
    const Tensor y = op(x);
    return std::pair{x.header()->references.load() - before, y.header()->references.load() - 1};
  };
  BOOST_TEST((kept(Saves::none) == std::pair{0U, 0U}));
  BOOST_TEST((kept(Saves::inputs) == std::pair{1U, 0U}));
  BOOST_TEST((kept(Saves::output) == std::pair{0U, 1U}));
  BOOST_TEST((kept(Saves::both) == std::pair{1U, 1U}));
}

BOOST_AUTO_TEST_CASE(output_is_what_was_returned) {
  const auto gradient = [](Saves saves) {
    const CustomOp<1> my_exp{
        .name = "my_exp",
        .forward = [](const auto& in) { return exp(in[0]); },
        .derivative = [](const auto& saved,
                         const Tensor& dy) { return std::array{dy * saved.output()}; },
        .saves = saves};
    Tape tape;
    const Tensor x = tape.watch(points() / 8.0);
    const Tensor first = tape.gradient(sum(my_exp(x)), x, {.differentiable = true});
    return detach(tape.gradient(sum(first), x));
  };
  BOOST_TEST(all_close(gradient(Saves::output), exp(points() / 8.0)).ok());
  BOOST_TEST(all_close(gradient(Saves::both), exp(points() / 8.0)).ok());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
