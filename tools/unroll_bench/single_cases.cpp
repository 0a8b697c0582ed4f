#include <unroll/unroll.h>

#include <cstring>
#include <memory>

#include "cases.h"

namespace {

using namespace unroll;
using Call = std::function<Tensor(const std::vector<Tensor>&)>;

// The operation, and under a tape its gradient for all operands that can have one.
std::function<void()> both_ways(const Call& f, const std::vector<Tensor>& operands, bool train) {
  const Tensor upstream = ones_like(f(operands));
  return [=] {
    if (!train) {
      static_cast<void>(f(operands));
      return;
    }
    Tape tape;
    std::vector<Tensor> x = operands;
    std::vector<Tensor> watched;
    for (Tensor& t : x)
      if (is_floating(t.dtype())) watched.push_back(t = tape.watch(t));
    static_cast<void>(tape.gradient(f(x), watched, {.upstream = upstream}));
  };
}

Tensor layer_norm_of_parts(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const Tensor centred = x - mean(x, -1, {.keepdim = true});
  return centred / sqrt(mean(square(centred), -1, {.keepdim = true}) + 1e-5) * weight + bias;
}

struct Owner : nn::Module {
  explicit Owner(Index size) : p(*this, "p", {size}, init::zeros()) {}
  nn::Parameter p;
};

std::function<void()> adam_step(Index elements) {
  const auto model = std::make_shared<Owner>(elements);
  const auto adam = std::make_shared<optim::Adam>(model->parameters());
  Tape tape;
  const auto grads = std::make_shared<Gradients>(tape.backward(sum(model->p * 0.1)));
  return [=] { adam->step(*grads); };
}

std::function<void()> copy(Index elements) {
  const auto from = std::make_shared<std::vector<float>>(static_cast<std::size_t>(elements), 1.0F);
  const auto to = std::make_shared<std::vector<float>>(*from);
  return [=] { std::memcpy(to->data(), from->data(), from->size() * sizeof(float)); };
}

}  // namespace

std::vector<std::pair<std::string, Maker>> single_cases() {
  std::vector<std::pair<std::string, Maker>> made;
  const auto add = [&](const std::string& name, auto call) {
    made.emplace_back(name, [name, call](bool train) {
      return Case{.name = name, .unit = "ms", .call = call(train)};
    });
  };
  const auto add_operation = [&](const std::string& name, const Call& f, auto operands) {
    add("op/" + name, [=](bool train) { return both_ways(f, operands(), train); });
  };

  const auto norm_operands = [] {
    return std::vector{normal({2240, 256}, 0, 1), normal({256}, 0, 1), normal({256}, 0, 1)};
  };
  add_operation(
      "layer_norm", [](const auto& x) { return layer_norm(x[0], x[1], x[2]); }, norm_operands);
  add_operation(
      "layer_norm-of-parts", [](const auto& x) { return layer_norm_of_parts(x[0], x[1], x[2]); },
      norm_operands);
  add_operation(
      "matmul-256-of-64", [](const auto& x) { return matmul(x[0], x[1]); },
      [] {
        return std::vector{normal({256, 64, 64}, 0, 1), normal({256, 64, 64}, 0, 1)};
      });
  add_operation(
      "cross_entropy-10000", [](const auto& x) { return cross_entropy(x[0], x[1]); },
      [] {
        return std::vector{normal({700, 10'000}, 0, 1), arange(700)};
      });
  add_operation(
      "mse-1M", [](const auto& x) { return mse(x[0], x[1]); },
      [] {
        return std::vector{normal({1'000'000}, 0, 1), normal({1'000'000}, 0, 1)};
      });
  add("optim/adam-10M", [](bool) { return adam_step(10'000'000); });
  add("floor/copy-570K", [](bool) { return copy(2240 * 256); });
  add("floor/copy-7M", [](bool) { return copy(7'000'000); });
  add("floor/copy-10M", [](bool) { return copy(10'000'000); });
  return made;
}
