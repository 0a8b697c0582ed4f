#pragma once

#include <unroll/autograd/autograd.h>
#include <unroll/nn/module.h>
#include <unroll/optim/optim.h>

#include <memory>
#include <string>
#include <vector>

namespace unroll::test {

// A module with any parameters.
class Model : public nn::Module {
 public:
  Model() = default;
  Model(std::initializer_list<std::pair<std::string, Tensor>> parameters) {
    for (const auto& [name, values] : parameters) add(name, values);
  }
  ~Model() override { parameters_.clear(); }

  nn::Parameter& add(const std::string& name, const Tensor& values) {
    parameters_.push_back(
        std::make_unique<nn::Parameter>(*this, name, values.shape(), init::zeros()));
    if (values.dtype() != f32) to(values.dtype());
    parameters_.back()->assign(values);
    return *parameters_.back();
  }
  nn::Parameter& operator[](std::size_t i) { return *parameters_.at(i); }

 private:
  std::vector<std::unique_ptr<nn::Parameter>> parameters_;
};

inline Gradients::Entry gradient_of(const nn::Parameter& p, const Tensor& dense) {
  return {.parameter = p, .path = p.path(), .dense = dense};
}
inline Gradients::Entry gradient_of(const nn::Parameter& p, const std::vector<Index>& ids,
                                    const Tensor& values) {
  return {.parameter = p,
          .path = p.path(),
          .sparse = {.ids = from(std::span<const Index>(ids), {std::ssize(ids)}),
                     .values = values,
                     .shape = p.shape()}};
}
template <class... Entry>
Gradients gradients(const Entry&... entries) {
  Gradients all;
  (all.insert(entries), ...);
  return all;
}

// A copy that no later step changes.
inline Tensor copy_of(const Tensor& x) { return full(x.shape(), 1, x.dtype()) * detach(x); }

// The threads of the library, until the end of the block.
class Threads {
 public:
  explicit Threads(Index count) { set_threads(count); }
  ~Threads() { set_threads(0); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
};

}  // namespace unroll::test
