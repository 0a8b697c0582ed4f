#pragma once

#include <unroll/autograd/tensor.h>

// Functions of one tensor, element by element, f32 or f64. Derivatives at awkward points are
// stated.
namespace unroll {

Tensor exp(const Tensor& x);
Tensor log(const Tensor& x);
Tensor sqrt(const Tensor& x);  // derivative at 0: inf
Tensor square(const Tensor& x);
Tensor abs(const Tensor& x);  // derivative at 0: 0
Tensor tanh(const Tensor& x);
Tensor sigmoid(const Tensor& x);      // 1 / (1 + e⁻ˣ)
Tensor log_sigmoid(const Tensor& x);  // log sigmoid(x), without overflow
Tensor softplus(const Tensor& x);     // log(1 + eˣ), without overflow
Tensor softsign(const Tensor& x);     // x / (1 + |x|)
Tensor relu(const Tensor& x);         // max(x, 0); derivative at 0: 0
Tensor leaky_relu(const Tensor& x,
                  double slope = 0.01);           // x > 0 ? x : slope x; derivative at 0: slope
Tensor elu(const Tensor& x, double alpha = 1.0);  // x > 0 ? x : alpha (eˣ - 1); Clevert et al. 2016
Tensor selu(const Tensor& x);  // the self-normalising elu of Klambauer et al. 2017
Tensor gelu(const Tensor& x);  // x Φ(x), Φ the normal distribution; Hendrycks and Gimpel 2016
Tensor silu(const Tensor& x);  // x sigmoid(x)
// clamp((x + 3) / 6, 0, 1), a sigmoid in straight lines; derivative at -3 and 3: 1/6
Tensor hard_sigmoid(const Tensor& x);

}  // namespace unroll
