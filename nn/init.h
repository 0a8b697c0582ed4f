#pragma once

#include <unroll/autograd/rng.h>
#include <unroll/autograd/tensor.h>

#include <functional>

// First values of parameters. A weight is [input, output].
namespace unroll::init {

// Makes the values of a parameter; draws from the stream it is given.
using Init = std::function<Tensor(const Shape& shape, DType dtype, Rng& rng)>;

Init zeros();
Init constant(double value);
Init uniform(double bound);  // over [-bound, bound)
Init normal(double deviation);

struct Blocks {
  Index blocks = 1;  // equal blocks of columns that are weights of their own, as an LSTM's gates
};
// Uniform over ±√(6 / (input + output)); Glorot and Bengio 2010.
Init xavier(const Blocks& options = {});
// Normal with deviation √(2 / input), for relu; He et al. 2015.
Init he();
// Orthonormal rows or columns, whichever are fewer; Saxe et al. 2014.
Init orthogonal(const Blocks& options = {});

// Zeros, and `scale` on the diagonal: as the recurrent matrix of relu units an IRNN;
// Le et al. 2015.
Init identity(double scale = 1);

// The same initialiser on each of `blocks` equal blocks of columns.
Init per_block(Index blocks, const Init& each);

struct ForgetBias {
  Index at = 0;
  Index size = 0;
  double value = 1;
};
// Zeros, and `value` at the forget gate, so that a new LSTM remembers; Jozefowicz et al. 2015.
Init forget_bias(const ForgetBias& options);

}  // namespace unroll::init
