#pragma once

#include <unroll/autograd/tensor.h>

#include <concepts>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace unroll {

// Parameters with their paths, in the order of declaration: what optimisers are given.
class ParameterList {
 public:
  struct Entry {
    std::string path;
    Tensor tensor;
  };

  ParameterList() = default;

  void add(std::string path, const Tensor& tensor) {
    entries_.push_back({std::move(path), tensor});
    tensors_.push_back(tensor);
  }
  Index size() const { return std::ssize(entries_); }
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  // Number of elements altogether.
  Index elements() const {
    Index n = 0;
    for (const Entry& e : entries_) n += e.tensor.size();
    return n;
  }
  // Those whose path a predicate accepts:
  //   model.parameters().where([](std::string_view path) { return !path.ends_with(".b"); })
  template <class Predicate>
  ParameterList where(const Predicate& predicate) const {
    ParameterList chosen;
    for (const Entry& e : entries_)
      if (predicate(std::string_view(e.path))) chosen.add(e.path, e.tensor);
    return chosen;
  }
  operator std::span<const Tensor>() const { return tensors_; }

 private:
  std::vector<Entry> entries_;
  std::vector<Tensor> tensors_;
};

// A model: anything with parameters(), as every nn::Module, or a ParameterList.
template <class M>
concept HasParameters = std::same_as<M, ParameterList> || requires(const M& model) {
  { model.parameters() } -> std::convertible_to<ParameterList>;
};

namespace detail {

template <HasParameters M>
ParameterList parameters_of(const M& model) {
  if constexpr (std::same_as<M, ParameterList>)
    return model;
  else
    return model.parameters();
}

}  // namespace detail
}  // namespace unroll
