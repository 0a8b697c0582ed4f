#include "models.h"

namespace gradcheck_tool {

Tensor random_tensor(const unroll::Shape& shape) {
  return unroll::uniform(shape, -1, 1, unroll::f64);
}

void draw_parameters(unroll::nn::Module& model) {
  model.to(unroll::f64);
  for (const auto& [path, parameter] : model.parameters())
    unroll::detail::overwrite(parameter, random_tensor(parameter.shape()) * 0.8, "draw_parameters");
}

void WeightedSum::add(const Tensor& x) {
  unroll::Rng rng(1000 + static_cast<std::uint64_t>(number_++));
  total_ = total_ + sum(x * unroll::uniform(x.shape(), -1, 1, rng, unroll::f64));
}

}  // namespace gradcheck_tool
