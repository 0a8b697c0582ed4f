#pragma once

#include <unroll/nn/module.h>

#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace unroll::nn {

// Any modules that are Tensor(const Tensor&) const, and functions, one after another:
//   nn::Sequential net;
//   net.add<nn::Linear>({.input = 8, .output = 16});
//   net.add([](const Tensor& x) { return tanh(x); });
//   net.add<nn::Linear>({.input = 16, .output = 1});
//   Tensor y = net(x);
// A module at position i is named "i". As a part of another: nn::Sequential net{*this, "net"}.
class Sequential : public Module {
 public:
  Sequential() = default;
  Sequential(Module& parent, std::string name) { parent.adopt(*this, std::move(name)); }

  template <class M>
  requires std::derived_from<M, Module> && std::is_invocable_r_v<Tensor, const M&, const Tensor&> M&
  add(typename M::Options options) {
    auto module = std::make_shared<M>(std::move(options));
    adopt(*module, std::to_string(steps_.size()));
    steps_.push_back([module](const Tensor& x) -> Tensor { return std::as_const(*module)(x); });
    return *module;
  }
  void add(std::function<Tensor(const Tensor&)> function);

  Tensor operator()(const Tensor& x) const;
  Index size() const { return std::ssize(steps_); }

 private:
  std::vector<std::function<Tensor(const Tensor&)>> steps_;
};

}  // namespace unroll::nn
