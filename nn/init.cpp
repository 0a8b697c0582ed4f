#include <unroll/autograd/create.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/join.h>
#include <unroll/nn/init.h>

#include <cmath>

#include <Eigen/QR>

namespace unroll::init {
namespace {

// The same initialiser on every block of columns.
template <class One>
Init in_blocks(const char* name, Index blocks, const One& one) {
  return [=](const Shape& shape, DType dtype, Rng& rng) {
    if (shape.rank() != 2 || blocks < 1 || shape[1] % blocks != 0)
      fail(name,
           {.given = "shape " + to_string(shape) + " in " + std::to_string(blocks) + " blocks",
            .needed = "[input, output] whose output they divide",
            .hint = {}});
    std::vector<Tensor> parts;
    for (Index i = 0; i < blocks; ++i)
      parts.push_back(one(Shape{shape[0], shape[1] / blocks}, dtype, rng));
    return concat(parts, 1);
  };
}

Tensor one_orthogonal(const Shape& shape, DType dtype, Rng& rng) {
  const Tensor random = unroll::normal(shape, 0, 1, rng, f64);
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Eigen::Map<const Matrix> drawn(random.span<double>().data(), shape[0], shape[1]);
  const bool wide = shape[1] > shape[0];
  const Eigen::MatrixXd tall = wide ? Eigen::MatrixXd(drawn.transpose()) : Eigen::MatrixXd(drawn);
  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(tall);
  Eigen::MatrixXd q = qr.householderQ() * Eigen::MatrixXd::Identity(tall.rows(), tall.cols());
  // With the signs of R's diagonal the result is spread evenly over all such matrices.
  for (Eigen::Index i = 0; i < q.cols(); ++i)
    if (qr.matrixQR()(i, i) < 0) q.col(i) = -q.col(i);
  const Matrix result = wide ? Matrix(q.transpose()) : Matrix(q);
  return from(std::span<const double>(result.data(), static_cast<std::size_t>(result.size())),
              shape)
      .to(dtype);
}

}  // namespace

Init zeros() { return constant(0); }

Init constant(double value) {
  return [value](const Shape& shape, DType dtype, Rng&) { return full(shape, value, dtype); };
}

Init uniform(double bound) {
  return [bound](const Shape& shape, DType dtype, Rng& rng) {
    return unroll::uniform(shape, -bound, bound, rng, dtype);
  };
}

Init normal(double deviation) {
  return [deviation](const Shape& shape, DType dtype, Rng& rng) {
    return unroll::normal(shape, 0, deviation, rng, dtype);
  };
}

Init xavier(const Blocks& options) {
  return in_blocks("init::xavier", options.blocks, [](const Shape& shape, DType dtype, Rng& rng) {
    const double bound =
        std::sqrt(6.0 / static_cast<double>(std::max<Index>(1, shape[0] + shape[1])));
    return unroll::uniform(shape, -bound, bound, rng, dtype);
  });
}

Init he() {
  return [](const Shape& shape, DType dtype, Rng& rng) {
    return unroll::normal(
        shape, 0, std::sqrt(2.0 / static_cast<double>(std::max<Index>(1, shape[0]))), rng, dtype);
  };
}

Init orthogonal(const Blocks& options) {
  return in_blocks("init::orthogonal", options.blocks, one_orthogonal);
}

Init identity(double scale) {
  return [scale](const Shape& shape, DType dtype, Rng&) {
    if (shape.rank() != 2 || shape[0] != shape[1])
      fail("init::identity",
           {.given = "shape " + to_string(shape), .needed = "a square matrix", .hint = {}});
    return scale * eye(shape[0], dtype);
  };
}

Init per_block(Index blocks, const Init& each) {
  return in_blocks("init::per_block", blocks, each);
}

Init forget_bias(const ForgetBias& options) {
  return [options](const Shape& shape, DType dtype, Rng&) {
    if (shape.rank() != 1 || options.at < 0 || options.size < 0 ||
        options.at + options.size > shape[0])
      fail("init::forget_bias",
           {.given = "shape " + to_string(shape) + " with the gate at " +
                     std::to_string(options.at) + ", size " + std::to_string(options.size),
            .needed = "a bias [n] that holds the gate",
            .hint = {}});
    return concat({unroll::zeros({options.at}, dtype), full({options.size}, options.value, dtype),
                   unroll::zeros({shape[0] - options.at - options.size}, dtype)},
                  0);
  };
}

}  // namespace unroll::init
