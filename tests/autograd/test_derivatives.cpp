// Derivatives of functions: where nothing flows, of states, with masks, beside other tapes, and what
// wrong uses are told.
#include <unroll/autograd/autograd.h>

#include <boost/test/unit_test.hpp>

#include "support/error_text.h"

namespace unroll::test {
namespace {

const auto cube = [](const Tensor& x) { return x * x * x; };
const auto sum_of_cubes = [](const Tensor& x) { return sum(cube(x)); };

Tensor three() { return tensor({1.0, -2.0, 0.5}, f64); }

struct Pair {
  Tensor a;
  std::vector<Tensor> rest;
  Index number;
};
Pair pair() { return {.a = three(), .rest = {tensor({2.0}, f64), Tensor()}, .number = 7}; }
Tensor product_of(const Pair& p) { return sum(p.a * p.a * p.rest[0]); }

void check_equal(const Tensor& a, const Tensor& b) { BOOST_TEST(all_equal(a, b)); }

}  // namespace

BOOST_AUTO_TEST_SUITE(derivatives)

BOOST_AUTO_TEST_CASE(of_a_cube) {
  const Tensor x = three();
  const Tensor v = tensor({1.0, 2.0, -4.0}, f64);
  check_equal(gradient(sum_of_cubes, x), 3.0 * x * x);
  const auto pushed = jvp(cube, x, v);
  check_equal(pushed.value, cube(x));
  check_equal(pushed.product, 3.0 * x * x * v);
  check_equal(vjp(cube, x, v).product, 3.0 * x * x * v);
  check_equal(hvp(sum_of_cubes, x, v), 6.0 * x * v);
  const Tensor squares = tensor({{3.0, 0.0, 0.0}, {0.0, 12.0, 0.0}, {0.0, 0.0, 0.75}}, f64);
  const Tensor sixfold = tensor({{6.0, 0.0, 0.0}, {0.0, -12.0, 0.0}, {0.0, 0.0, 3.0}}, f64);
  for (const auto by : {JacobianBy::cheaper, JacobianBy::rows, JacobianBy::columns})
    BOOST_TEST(all_close(jacobian(cube, x, {.by = by}), squares, {.relative = 0}));  // 0 is -0
  BOOST_TEST(all_close(hessian(sum_of_cubes, x), sixfold, {.relative = 0}));
}

BOOST_AUTO_TEST_CASE(in_single_precision) {
  const Tensor x = three().to(f32);
  check_equal(jvp(cube, x, x).product, 3.0 * x * x * x);
  check_equal(hvp(sum_of_cubes, x, x), 6.0 * x * x);
  BOOST_TEST((hessian(sum_of_cubes, x).dtype() == f32));
}

BOOST_AUTO_TEST_CASE(calls_f_once) {
  int calls = 0;
  const auto f = [&](const Tensor& x) {
    ++calls;
    return cube(x);
  };
  static_cast<void>(jacobian(f, three(), {.by = JacobianBy::rows}));
  static_cast<void>(jacobian(f, three(), {.by = JacobianBy::columns}));
  jvp(f, three(), three());
  vjp(f, three(), three());
  BOOST_TEST(calls == 4);
  const auto loss = [&](const Tensor& x) { return sum(f(x)); };
  static_cast<void>(hessian(loss, three()));
  static_cast<void>(hvp(loss, three(), three()));
  static_cast<void>(gradient(loss, three()));
  BOOST_TEST(calls == 7);
}

// Of 3 inputs and 100 outputs the columns are cheaper, the other way round the rows.
BOOST_AUTO_TEST_CASE(the_cheaper_jacobian) {
  const Tensor W = uniform({3, 100}, -1, 1, f64);
  const auto wide = [&](const Tensor& x) { return tanh(matmul(x, W)); };
  const auto narrow = [&](const Tensor& x) { return tanh(matmul(W, x)); };
  const Tensor x = three();
  const Tensor z = uniform({100}, -1, 1, f64);
  check_equal(jacobian(wide, x), jacobian(wide, x, {.by = JacobianBy::columns}));
  check_equal(jacobian(narrow, z), jacobian(narrow, z, {.by = JacobianBy::rows}));
  BOOST_TEST(all_close(jacobian(wide, x), jacobian(wide, x, {.by = JacobianBy::rows}),
                       {.relative = 1e-12, .absolute = 1e-15}));
  BOOST_TEST((jacobian(wide, x).shape() == Shape{100, 3}));
}

BOOST_AUTO_TEST_CASE(what_does_not_depend_is_zero) {
  const Tensor x = three();
  const Tensor constant = tensor({4.0, 5.0}, f64);
  const auto f = [&](const Tensor&) { return constant; };
  const auto loss = [&](const Tensor&) { return sum(constant); };
  check_equal(gradient(loss, x), zeros({3}, f64));
  check_equal(vjp(f, x, constant).product, zeros({3}, f64));
  check_equal(jvp(f, x, x).value, constant);
  check_equal(jvp(f, x, x).product, zeros({2}, f64));
  check_equal(jacobian(f, x), zeros({2, 3}, f64));
  check_equal(jacobian(f, x, {.by = JacobianBy::columns}), zeros({2, 3}, f64));
  check_equal(hessian(loss, x), zeros({3, 3}, f64));
  check_equal(hvp(loss, x, x), zeros({3}, f64));
}

BOOST_AUTO_TEST_CASE(a_linear_function_has_no_curvature) {
  const auto f = [](const Tensor& x) { return sum(2.0 * x); };
  check_equal(hessian(f, three()), zeros({3, 3}, f64));
  check_equal(hvp(f, three(), three()), zeros({3}, f64));
}

BOOST_AUTO_TEST_CASE(the_identity_and_views) {
  const Tensor x = three();
  const auto same = [](const Tensor& p) { return p; };
  const auto turned = [](const Tensor& p) { return slice(p, {.from = 1}); };
  check_equal(jacobian(same, x), eye(3, f64));
  check_equal(jacobian(same, x, {.by = JacobianBy::columns}), eye(3, f64));
  check_equal(jvp(same, x, x).product, x);
  check_equal(jacobian(turned, x), tensor({{0.0, 1.0, 0.0}, {0.0, 0.0, 1.0}}, f64));
  check_equal(jacobian(turned, x, {.by = JacobianBy::columns}), jacobian(turned, x));
}

BOOST_AUTO_TEST_CASE(empty_and_single_points) {
  const Tensor none = zeros({0}, f64);
  check_equal(gradient(sum_of_cubes, none), none);
  check_equal(jvp(cube, none, none).product, none);
  BOOST_TEST((jacobian(cube, none).shape() == Shape{0, 0}));
  BOOST_TEST((jacobian(sum_of_cubes, none).shape() == Shape{0}));
  BOOST_TEST((jacobian(sum_of_cubes, none, {.by = JacobianBy::columns}).shape() == Shape{0}));
  BOOST_TEST((hessian(sum_of_cubes, none).shape() == Shape{0, 0}));
  check_equal(hvp(sum_of_cubes, none, none), none);
  const Tensor two = full({}, 2, f64);
  check_equal(gradient(cube, two), full({}, 12, f64));
  check_equal(hessian(cube, two), full({}, 12, f64));
  check_equal(jacobian(cube, two, {.by = JacobianBy::columns}), full({}, 12, f64));
}

BOOST_AUTO_TEST_CASE(of_a_state) {
  const Pair x = pair();
  const Pair g = gradient(product_of, x);
  check_equal(g.a, 4.0 * x.a);
  check_equal(g.rest[0], tensor({5.25}, f64));
  BOOST_TEST(!g.rest[1].defined());
  BOOST_TEST(g.number == 7);
  const Pair J = jacobian([](const Pair& p) { return p.a * p.rest[0]; }, x);
  check_equal(J.a, 2.0 * eye(3, f64));
  check_equal(J.rest[0], reshape(x.a, {3, 1}));
  const Tensor H = hessian(product_of, x);  // [a, rest[0]]
  const Tensor expected = tensor(
      {{4.0, 0.0, 0.0, 2.0}, {0.0, 4.0, 0.0, -4.0}, {0.0, 0.0, 4.0, 1.0}, {2.0, -4.0, 1.0, 0.0}},
      f64);
  check_equal(H, expected);
  const Pair along = hvp(product_of, x, x);
  check_equal(concat({along.a, along.rest[0]}, 0), matmul(expected, concat({x.a, x.rest[0]}, 0)));
}

BOOST_AUTO_TEST_CASE(states_out_of_a_function) {
  const auto f = [](const Tensor& x) {
    return Pair{.a = x * x, .rest = {sum(x), tensor({1.0}, f64)}, .number = 3};
  };
  const Tensor x = three();
  const auto pushed = jvp(f, x, x);
  check_equal(pushed.value.a, x * x);
  check_equal(pushed.product.a, 2.0 * x * x);
  check_equal(pushed.product.rest[0], sum(x));
  check_equal(pushed.product.rest[1], tensor({0.0}, f64));
  BOOST_TEST(pushed.value.number == 3);
  const Pair u{.a = ones_like(x), .rest = {full({}, 10, f64), tensor({5.0}, f64)}, .number = 0};
  check_equal(vjp(f, x, u).product, 2.0 * x + 10.0);
}

BOOST_AUTO_TEST_CASE(parts_of_two_dtypes) {
  const auto f = [](const std::vector<Tensor>& p) { return sum(p[0] * p[0]) + sum(p[1]).to(f64); };
  const std::vector<Tensor> x{three(), tensor({2.0, 3.0})};
  const auto g = gradient(f, x);
  check_equal(g[0], 2.0 * x[0]);
  check_equal(g[1], tensor({1.0, 1.0}));
  check_equal(jvp(f, x, x).product, full({}, 2 * 5.25 + 5, f64));
  for (const auto by : {JacobianBy::rows, JacobianBy::columns})
    check_equal(jacobian(f, x, {.by = by})[1], tensor({1.0, 1.0}));
}

// A mask that the seed alone decides: products with one Jacobian agree.
BOOST_AUTO_TEST_CASE(dropout_with_one_mask) {
  const Tensor x = uniform({200}, 0.5, 1, f64);
  const auto f = [](const Tensor& p) { return dropout(p * p, 0.5); };
  const Rng before = default_rng();
  check_equal(jvp(f, x, x).product, 2.0 * x * x);
  const Tensor first = jvp(f, x, ones_like(x), {.training = true}).product;
  const Tensor second = vjp(f, x, ones_like(x), {.training = true}).product;
  check_equal(first, second);
  check_equal(diagonal(jacobian(f, x, {.training = true})), first);
  check_equal(diagonal(hessian([&](const Tensor& p) { return sum(f(p)); }, x, {.training = true})),
              first / x);
  const Index zeroed = 200 - static_cast<Index>(sum((first != 0.0).to(f64)).item());
  BOOST_TEST(zeroed > 60);
  BOOST_TEST(zeroed < 140);
  const Tensor other = jvp(f, x, ones_like(x), {.training = true, .seed = 2}).product;
  BOOST_TEST(!all_equal(first, other));
  BOOST_TEST((default_rng() == before));
}

BOOST_AUTO_TEST_CASE(results_are_values) {
  const Tensor x = three();
  Tape tape;
  const Tensor w = tape.watch(x);
  const auto pushed = jvp(cube, x, x);
  const Tensor g = gradient(sum_of_cubes, x);
  check_equal(w * pushed.product * pushed.value * g, x * pushed.product * pushed.value * g);
  const Index nodes = tape.nodes();
  static_cast<void>(jacobian(cube, x));
  static_cast<void>(hessian(sum_of_cubes, x));
  BOOST_TEST(tape.nodes() == nodes);
  check_equal(tape.gradient(sum(w * g), w), g);
}

BOOST_AUTO_TEST_CASE(rows_of_a_batch) {
  const Pair batch{.a = zeros({4, 2}), .rest = {tensor({1, 2, 3, 4}), Tensor()}, .number = 5};
  BOOST_TEST(count_rows(batch) == 4);
  const Pair two = slice_rows(batch, 1, 3);
  BOOST_TEST((two.a.shape() == Shape{2, 2}));
  check_equal(contiguous(two.rest[0]), tensor({2, 3}));
  BOOST_TEST(two.number == 5);
  BOOST_TEST(count_rows(zeros({7, 3}), {.axis = -1}) == 3);
  BOOST_TEST((slice_rows(zeros({7, 3}), 0, 2, {.axis = 1}).shape() == Shape{7, 2}));
  BOOST_TEST(count_rows(std::vector<Tensor>()) == 0);
  check_throws(
      [] {
        return count_rows(std::vector{zeros({4, 2}), zeros({3, 2})});
      },
      "[count_rows] f32 [3, 2] has 3 rows, tensors before it 4; needed one number of rows "
      "along axis 0; hint: slice_rows(batch, begin, end) and count_rows(batch) of your own "
      "beside the batch's type");
}

BOOST_AUTO_TEST_CASE(wrong_points) {
  check_throws(
      [] {
        return gradient(sum_of_cubes, tensor({1, 2, 3}));
      },
      "[gradient] x i64 [3]; needed f32 or f64; hint: tensor({1.0, 2.0}, f64); ids are "
      "captured: [&](const Tensor& x) { … ids … }");
  // Of a state, which field.
  const auto of_pair = [](Tensor a, Tensor rest) {
    return Pair{.a = std::move(a), .rest = {std::move(rest), Tensor()}, .number = 0};
  };
  check_throws(
      [&] {
        return gradient(product_of, of_pair(three(), tensor({1, 2})));
      },
      "[gradient] x.1[0] i64 [2]; needed f32 or f64; hint: tensor({1.0, 2.0}, f64); ids "
      "are captured: [&](const Tensor& x) { … ids … }");
  struct Batch {
    Tensor x, ids;
  };
  const auto rows = [](const Batch& b) { return index_select(b.x, 0, b.ids); };
  const Batch batch{.x = three(), .ids = tensor({2, 0})};
  check_throws([&] { return jvp(rows, batch, batch); },
               "[jvp] x.ids i64 [2]; needed f32 or f64; hint: tensor({1.0, 2.0}, f64); ids are "
               "captured: [&](const Tensor& x) { … ids … }");
  const Pair at = of_pair(three(), ones({1}, f64));
  check_throws([&] { return jvp(product_of, at, of_pair(three(), ones({2}, f64))); },
               "[jvp] v.1[0] f64 [2] for x.1[0] f64 [1]; needed equal shapes and dtypes; hint: "
               "zeros_like(x.1[0]) has these");
  const auto same = [](const Pair& p) { return p; };
  check_throws([&] { return vjp(same, at, of_pair(zeros({1}, f64), ones({1}, f64))); },
               "[vjp] u.0 f64 [1] for f(x).0 f64 [3]; needed equal shapes and dtypes; hint: "
               "zeros_like(f(x).0) has these");
  const auto positions = [](const Tensor& x) { return Batch{.x = x, .ids = argmax(x, 0)}; };
  check_throws([&] { return vjp(positions, three(), Batch{}); },
               "[vjp] f returned i64 [] as f(x).ids; needed f32 or f64; hint: positions have no "
               "derivative: return max(x, -1), not argmax(x, -1)");
  check_throws([] { return gradient(sum_of_cubes, Tensor()); },
               "[gradient] x is undefined, or a state without tensors; needed something to "
               "differentiate by; hint: zeros({3}, f64)");
  check_throws([] { return hvp(sum_of_cubes, three(), three().to(f32)); },
               "[hvp] v f32 [3] for x f64 [3]; needed equal shapes and dtypes; hint: zeros_like(x) "
               "has these");
  check_throws([] { return jvp(cube, three(), zeros({2}, f64)); },
               "[jvp] v f64 [2] for x f64 [3]; needed equal shapes and dtypes; hint: zeros_like(x) "
               "has these");
  check_throws([] { return vjp(cube, three(), zeros({2}, f64)); },
               "[vjp] u f64 [2] for f(x) f64 [3]; needed equal shapes and dtypes; hint: "
               "zeros_like(f(x)) has these");
  check_throws([] { return jvp(product_of, pair(), {.a = three(), .rest = {}, .number = 0}); },
               "[jvp] v of 1 tensors for x of 2; needed as many; hint: v is a state like x");
  check_throws(
      [] {
        const std::vector<Tensor> mixed{three(), ones({2})};
        return hessian([](const std::vector<Tensor>& p) { return sum(p[0]); }, mixed);
      },
      "[hessian] tensors of f64 [3] and f32 [2]; needed one dtype; hint: x.to(f64)");
}

BOOST_AUTO_TEST_CASE(wrong_results) {
  check_throws([] { return gradient(cube, three()); },
               "[gradient] f returned f64 [3]; needed one element; hint: return sum(y), or "
               "jacobian(f, x)");
  check_throws([] { return hessian(cube, three()); },
               "[hessian] f returned f64 [3]; needed one element; hint: return sum(y), or "
               "jacobian(f, x)");
  check_throws([] { return jvp([](const Tensor& x) { return argmax(x, -1); }, three(), three()); },
               "[jvp] f returned i64 []; needed f32 or f64; hint: positions have no derivative: "
               "return max(x, -1), not argmax(x, -1)");
  check_throws([] { return jacobian([](const Tensor&) { return Tensor(); }, three()); },
               "[jacobian] what f returned is undefined; needed a tensor; hint: a "
               "default-constructed Tensor holds nothing; zeros({2, 3}) makes one");
  const Tensor deep = ones({1, 1, 1, 1, 2}, f64);
  check_throws(
      [&] { return jacobian(cube, deep); },
      "[jacobian] f returned f64 [1, 1, 1, 1, 2] of x f64 [1, 1, 1, 1, 2]; needed at most 8 "
      "axes together; hint: return reshape(y, {-1})");
  check_throws(
      [&] { return hessian(sum_of_cubes, deep); },
      "[hessian] x f64 [1, 1, 1, 1, 2]; needed at most 4 axes; hint: reshape(x, {-1}), and "
      "back in f");
}

BOOST_AUTO_TEST_CASE(operands_of_other_tapes) {
  Tape tape;
  const Tensor w = tape.watch(three());
  const Tensor y = 2.0 * w;
  check_throws(
      [&] { return gradient(sum_of_cubes, w); },
      "[gradient] x f64 [3] has a history on another tape; needed a value without history, "
      "as the result has none; hint: detach(x), or tape.gradient(y, x, {.differentiable = "
      "true})");
  check_throws([&] { return jvp(cube, three(), y); },
               "[jvp] v f64 [3] has a history on another tape; needed a value without history, as "
               "the result has none; hint: detach(v), or tape.gradient(y, x, {.differentiable = "
               "true})");
  check_throws([&] { return gradient([&](const Tensor& x) { return sum(x * y); }, three()); },
               "[mul] f64 [3] belongs to an outer tape; needed a value of the innermost tape or "
               "without history; hint: detach(x), or compute under one tape");
  check_equal(gradient(sum_of_cubes, detach(y)), 12.0 * three() * three());
  const auto off = tape.pause();
  check_equal(gradient(sum_of_cubes, y), 12.0 * three() * three());
}

// A gradient inside is a value, which the outside could not differentiate.
BOOST_AUTO_TEST_CASE(one_inside_another) {
  const auto inner = [](const Tensor& x) { return sum(gradient(sum_of_cubes, x)); };
  check_throws(
      [&] { return gradient(inner, three()); },
      "[gradient] x f64 [3] has a history on another tape; needed a value without history, "
      "as the result has none; hint: detach(x), or tape.gradient(y, x, {.differentiable = "
      "true})");
}

BOOST_AUTO_TEST_CASE(an_exception_ends_the_tape) {
  const auto f = [](const Tensor& x) -> Tensor {
    const Tensor y = x * x;
    throw std::runtime_error("no more of " + to_string(y.shape()));
  };
  BOOST_CHECK_THROW(jvp(f, three(), three()), std::runtime_error);
  BOOST_TEST(!is_training());
  Tape tape;
  const Tensor w = tape.watch(three());
  BOOST_CHECK_THROW(jvp(f, three(), three()), std::runtime_error);
  check_equal(tape.gradient(sum(w * w), w), 2.0 * three());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace unroll::test
