#pragma once

#include <unroll/autograd/ops/views.h>
#include <unroll/autograd/state.h>
#include <unroll/nn/module.h>

#include <memory>
#include <vector>

namespace unroll::nn {

namespace detail {

// The name of a tensor in a state as a parameter, a part of paths and files, and so without dots and
// the same whatever fields autograd/detail/state_names.h knows: h and c by name, others by number.
template <class S>
std::string field_name(const S& state, const Tensor* x, std::size_t number) {
  if constexpr (requires {
                  { state.h } -> std::convertible_to<const Tensor&>;
                })
    if (static_cast<const Tensor*>(&state.h) == x) return "h";
  if constexpr (requires {
                  { state.c } -> std::convertible_to<const Tensor&>;
                })
    if (static_cast<const Tensor*>(&state.c) == x) return "c";
  return std::to_string(number);
}

}  // namespace detail

// A state as parameters, one for each tensor of f32 or f64, without the batch: a row that all rows
// of a batch start from. Named "h", "c", other fields by number.
template <class S>
class LearnedState : public Module {
 public:
  // First values are those of `one`, a state of one row.
  LearnedState(Module& parent, std::string name, const S& one) {
    parent.adopt(*this, std::move(name));
    std::size_t number = 0;
    for_each_tensor(one, [&](const Tensor& x) {
      rows_.push_back(nullptr);
      if (is_floating(x.dtype()))
        rows_.back() = std::make_unique<Parameter>(
            *this, detail::field_name(one, &x, number), x.shape().without(0),
            [&](const Shape& shape, DType dtype, Rng&) { return reshape(x, shape).to(dtype); });
      ++number;
    });
  }

  // Each learned row over the tensor of a state of `batch` rows.
  void put_into(S& state, Index batch) const {
    std::size_t number = 0;
    for_each_tensor(state, [&](Tensor& x) {
      const auto& row = rows_[number++];
      if (row != nullptr)
        x = expand(reshape(*row, row->shape().inserted(0, 1)), row->shape().inserted(0, batch));
    });
  }

 private:
  std::vector<std::unique_ptr<Parameter>> rows_;
};

}  // namespace unroll::nn
