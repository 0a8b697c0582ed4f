#include <unroll/nn/scope.h>
#include <unroll/nn/sequential.h>

namespace unroll::nn {

void Sequential::add(std::function<Tensor(const Tensor&)> function) {
  if (!function)
    fail_nowhere("sequential", {.given = "an empty function",
                                .needed = "a module or a function",
                                .hint = "net.add([](const Tensor& x) { return tanh(x); })"});
  steps_.push_back(std::move(function));
}

Tensor Sequential::operator()(const Tensor& x) const {
  const Scope here(*this);
  Tensor y = x;
  for (const auto& step : steps_) y = step(y);
  return after_forward(y);
}

}  // namespace unroll::nn
