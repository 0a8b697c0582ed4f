#pragma once

#include <unroll/unroll.h>

#include <string>
#include <vector>

// What tests of recurrent layers share.
namespace unroll::test {

// Random numbers over [-1, 1) in f64, the same for the same seed whatever was drawn before.
inline Tensor random_values(const Shape& shape, std::uint64_t seed_of_values, DType dtype = f64) {
  Rng rng(seed_of_values);
  return uniform(shape, -1, 1, rng, dtype);
}

// Every parameter of a model anew, biases too.
inline void randomize(const nn::Module& model, std::uint64_t seed_of_values, double bound = 0.8) {
  Rng rng(seed_of_values);
  for (const auto& [path, parameter] : model.parameters())
    unroll::detail::overwrite(
        parameter, uniform(parameter.shape(), -bound, bound, rng, parameter.dtype()), "randomize");
}

// All tensors of a state, forward first.
template <class State>
std::vector<Tensor> tensors_of(const State& state) {
  std::vector<Tensor> all;
  for_each_tensor(state, [&](const Tensor& x) { all.push_back(x); });
  return all;
}

// Σ w · outputs + Σ w · every tensor of the final state, with fixed weights of either sign.
template <class Output>
Tensor weighted_sum(const Output& out, std::uint64_t seed_of_weights = 77) {
  Tensor total =
      sum(out.outputs * random_values(out.outputs.shape(), seed_of_weights, out.outputs.dtype()));
  for (const Tensor& x : tensors_of(out.state))
    total = total + sum(x * random_values(x.shape(), ++seed_of_weights, x.dtype()));
  return total;
}

}  // namespace unroll::test
