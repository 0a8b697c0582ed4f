#pragma once

#include <unroll/autograd/autograd.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

// Derivatives by differences in double, for judging derivatives that were computed.
namespace unroll::test {

using Function = std::function<Tensor(std::span<const Tensor>)>;

// Σ w · f(x), all in f64.
double weighted(const Tensor& y, const Tensor& w);

// Gradient of Σ w · f with respect to inputs[which], by central differences at h, h/2 and h/4 that
// are extrapolated twice (error of order h⁶); `error` is what the last extrapolation still changed.
struct NumericGradient {
  Tensor gradient = {};
  double error = 0;
};
NumericGradient numeric_gradient(const Function& f, std::span<const Tensor> inputs,
                                 std::size_t which, const Tensor& w, double h = 0.02);

// d f_k / d inputs[which]_j for every k and j, by the same differences. `error` as above, beside
// the largest entry.
struct Jacobian {
  Index outputs = 0, inputs = 0;
  std::vector<double> entries = {};  // [outputs, inputs]
  double error = 0;

  double& at(Index k, Index j) { return entries[static_cast<std::size_t>(k * inputs + j)]; }
  double at(Index k, Index j) const { return entries[static_cast<std::size_t>(k * inputs + j)]; }
};
Jacobian numeric_jacobian(const Function& f, std::span<const Tensor> inputs, std::size_t which,
                          double h = 0.02);
// With the step, of a few down to a fiftieth, that is trusted most: for functions that are steep
// where they were drawn.
NumericGradient numeric_gradient_anywhere(const Function& f, std::span<const Tensor> inputs,
                                          std::size_t which, const Tensor& w);
Jacobian numeric_jacobian_anywhere(const Function& f, std::span<const Tensor> inputs,
                                   std::size_t which);
// Σ_k w_k · J_kj, in the shape given.
Tensor weighted_rows(const Jacobian& jacobian, const Tensor& w, const Shape& shape);

// |a - b| <= relative · max(|a|, |b|, a hundredth of the largest of all, 1e-4 of `scale`): a
// component that cancels is judged beside its neighbours. Empty where it holds, else what is wrong.
struct Agreement {
  double relative = 1e-7;
  double scale = 1;
};
std::string disagreement(const Tensor& a, const Tensor& b, const Agreement& agreement);

// A weight for every element, of either sign and never near 0.
Tensor random_weights(const Shape& shape, Rng& rng, DType dtype = f64);

// The same values where elements do not lie one after another: last axis with gaps, or transposed.
Tensor with_gaps(const Tensor& x);

// A copy with one element replaced.
Tensor with_element(const Tensor& x, Index at, double value);
std::vector<double> values(const Tensor& x);

}  // namespace unroll::test
