#include <unroll/autograd/backward.h>
#include <unroll/autograd/detail/gradient_pass.h>
#include <unroll/autograd/detail/matrix_product.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/matmul.h>
#include <unroll/autograd/ops/matmul_batch.h>
#include <unroll/autograd/ops/reduce.h>
#include <unroll/autograd/ops/views.h>

namespace unroll {
namespace {

using detail::Matrix;

// x [..., M×K], W [K×N], y [..., M×N]; input 2, where there is one, is added.
void product_derivative(Backward& b) {
  Tensor g = b.upstream();
  if (!g.defined()) return;
  const Tensor x = b.saved(0);
  const Tensor W = b.saved(1);
  if (b.differentiable()) {
    const Tensor rows = contiguous(g);
    if (b.needs(0)) b.add(0, matmul(rows, b.pass().transposed(W)));  // [M×K] = [M×N]·[K×N]ᵀ
    b.add_recorded_product(1, x, rows);                              // [K×N] = [M×K]ᵀ·[M×N]
    if (b.inputs() > 2) b.add(2, g);
    return;
  }
  Tensor hold_g, hold_x, hold_W, hold_to;
  if (b.needs(0)) {
    const detail::Destination to = b.destination(0);
    g = b.upstream();
    const Matrix gm = detail::as_matrix(g, hold_g);
    detail::multiply(
        g.dtype(), gm, b.pass().tape().padded_weights.matrix_of(W, gm.rows, hold_W).transposed(),
        to.accumulate, detail::as_matrix(to.buffer, hold_to));  // [M×K] += [M×N]·[K×N]ᵀ
  }
  if (b.needs(1)) {
    if (b.used_often(1)) {
      detail::as_matrix(g, hold_g);
      b.defer_product(1, x, hold_g);
    } else {
      const detail::Destination to = b.destination(1);
      g = b.upstream();
      const Matrix gm = detail::as_matrix(g, hold_g);
      detail::multiply(g.dtype(), detail::as_matrix(x, hold_x).transposed(), gm, to.accumulate,
                       detail::as_matrix(to.buffer, hold_to));  // [K×N] += [M×K]ᵀ·[M×N]
    }
  }
  if (b.inputs() > 2 && b.needs(2) && !b.shares_gradient_with_third()) b.add(2, g);
}

CheckCase product_case(std::string name, const Shape& x, const Shape& W) {
  return {.name = std::move(name),
          .inputs = {{.shape = x}, {.shape = W}},
          .call = [](std::span<const Tensor> in) { return matmul(in[0], in[1]); }};
}

const RegisteredOperation matmul_op{
    {.name = "matmul",
     .derivative = product_derivative,
     .check =
         [] {
           return Check{.cases = {product_case("matrix", {3, 4}, {4, 2}),
                                  product_case("vector", {4}, {4, 2}),
                                  product_case("sequence", {2, 3, 4}, {4, 2}),
                                  product_case("square", {3, 3}, {3, 3}),
                                  product_case("one", {1, 1}, {1, 1}),
                                  product_case("no rows", {0, 4}, {4, 2}),
                                  product_case("no depth", {3, 0}, {0, 2})}};
         },
     .formula = "x·W; dx = dy·Wᵀ, dW = xᵀ·dy"}};

Check affine_check(const Shape& b) {
  return {
      .cases = {{.name = "",
                 .inputs = {{.shape = {2, 3, 4}}, {.shape = {4, 5}}, {.shape = b}},
                 .call = [](std::span<const Tensor> in) { return affine(in[0], in[1], in[2]); }}}};
}
const RegisteredOperation affine_op{{.name = "affine",
                                     .derivative = product_derivative,
                                     .check = [] { return affine_check({5}); },
                                     .formula = "x·W + b; db = Σ dy"}};
const RegisteredOperation affine_sum_op{{.name = "affine_sum",
                                         .derivative = product_derivative,
                                         .flow = Flow::passes_third,
                                         .check =
                                             [] {
                                               return affine_check({2, 3, 5});
                                             },
                                         .formula = "x·W + c, c of the result's shape; dc = dy"}};

// Checks the operands and multiplies, onto what `y` holds if it is to be added to.
Shape product_shape(std::string_view operation, const Tensor& x, const Tensor& W) {
  detail::require_floating(operation, "x", x);
  detail::require_floating(operation, "W", W);
  detail::require_same_dtype(operation, x, W);
  if (x.rank() < 1 || W.rank() != 2)
    fail(operation, {.given = "x " + describe(x) + " and W " + describe(W),
                     .needed = "x [..., K] and W [K, N]",
                     .hint = {}});
  if (x.size(-1) != W.size(0))
    fail(operation, {.given = "x " + describe(x) + " and W " + describe(W) + " disagree in " +
                              std::to_string(x.size(-1)) + " and " + std::to_string(W.size(0)),
                     .needed = "x [..., " + std::to_string(W.size(0)) + "]",
                     .hint = "options .input is " + std::to_string(W.size(0))});
  return x.shape().with(-1, W.size(1));
}

void product_into(const Tensor& x, const Tensor& W, bool accumulate, const Tensor& y) {
  Tensor hold_x, hold_W, hold_y;
  const Matrix xm = detail::as_matrix(x, hold_x);
  detail::PaddedWeights* const padded = detail::current_padded_weights();
  const Matrix wm =
      padded != nullptr ? padded->matrix_of(W, xm.rows, hold_W) : detail::as_matrix_2d(W, hold_W);
  detail::multiply(x.dtype(), xm, wm, accumulate,
                   detail::as_matrix(y, hold_y));  // [M×N] = [M×K]·[K×N]
}

// Products with anything but a matrix on the right.
Tensor other_product(const Tensor& x, const Tensor& W) {
  detail::require_floating("matmul", "x", x);
  detail::require_floating("matmul", "W", W);
  detail::require_same_dtype("matmul", x, W);
  if (x.rank() < 1 || W.rank() < 1)
    fail("matmul", {.given = "x " + describe(x) + " and W " + describe(W),
                    .needed = "x [..., M, K] and W [..., K, N], or vectors [K]",
                    .hint = "x * W multiplies by one number"});
  const Index depth = W.size(W.rank() == 1 ? 0 : -2);
  if (x.size(-1) != depth)
    fail("matmul", {.given = "x " + describe(x) + " and W " + describe(W) + " disagree in " +
                             std::to_string(x.size(-1)) + " and " + std::to_string(depth),
                    .needed = "x [..., " + std::to_string(depth) + "]",
                    .hint = {}});
  if (W.rank() == 1) return x.rank() == 1 ? sum(x * W) : squeeze(matmul(x, unsqueeze(W, 1)), -1);
  if (x.rank() == 1) return squeeze(detail::batched_product(unsqueeze(x, 0), W), -2);
  const Index matrix = depth * W.size(-1);
  if (x.rank() >= W.rank() && matrix > 0 && W.size() == matrix)  // one matrix for all
    return matmul(x, reshape(W, {depth, W.size(-1)}));
  return detail::batched_product(x, W);
}

// Throws unless both are vectors.
void check_vectors(std::string_view operation, const Tensor& a, const Tensor& b) {
  detail::require_floating(operation, "a", a);
  detail::require_floating(operation, "b", b);
  detail::require_same_dtype(operation, a, b);
  if (a.rank() != 1 || b.rank() != 1)
    fail(operation, {.given = "a " + describe(a) + " and b " + describe(b),
                     .needed = "two vectors",
                     .hint = "matmul(x, W) multiplies matrices"});
}

}  // namespace

Tensor matmul(const Tensor& x, const Tensor& W) {
  if (W.defined() && W.header()->rank != 2) return other_product(x, W);
  Tensor y = detail::empty(product_shape("matmul", x, W), x.dtype());
  if (x.rank() == 2 && detail::strides(x)[1] != 1 && x.size(1) != 1) {
    Tensor hold_x, hold_W, hold_y;
    detail::multiply(x.dtype(), detail::as_matrix_2d(x, hold_x), detail::as_matrix_2d(W, hold_W),
                     false, detail::as_matrix(y, hold_y));
  } else {
    product_into(x, W, false, y);
  }
  return detail::record(matmul_op, {&x, &W}, y, {&x, &W});
}

Tensor affine(const Tensor& x, const Tensor& W, const Tensor& b) {
  const Shape shape = product_shape("affine", x, W);
  detail::require_floating("affine", "b", b);
  detail::require_same_dtype("affine", x, b);
  const bool bias = b.shape() == Shape{W.size(1)} && shape.rank() != 1;
  if (!bias && b.shape() != shape)
    fail("affine", {.given = "x " + describe(x) + ", W " + describe(W) + " and b " + describe(b),
                    .needed = "b [" + std::to_string(W.size(1)) + "] or " + to_string(shape),
                    .hint = {}});
  Tensor y = detail::empty(shape, x.dtype());
  std::array<Index, Shape::max_rank> still{};
  if (bias) still[static_cast<std::size_t>(shape.rank() - 1)] = detail::strides(b)[0];
  detail::copy_elements(
      bias ? detail::make_view(
                 *b.header(), shape.extents(),
                 std::span<const Index>(still).first(static_cast<std::size_t>(shape.rank())), 0)
           : b,
      y);
  product_into(x, W, true, y);
  return detail::record(bias ? affine_op : affine_sum_op, {&x, &W, &b}, y, {&x, &W});
}

Tensor dot(const Tensor& a, const Tensor& b) {
  check_vectors("dot", a, b);
  if (a.size() != b.size())
    fail("dot", {.given = "a " + describe(a) + " and b " + describe(b),
                 .needed = "vectors of one length",
                 .hint = {}});
  return sum(a * b);
}

Tensor outer(const Tensor& a, const Tensor& b) {
  check_vectors("outer", a, b);
  return unsqueeze(a, 1) * b;
}

}  // namespace unroll
