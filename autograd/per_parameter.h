#pragma once

#include <unroll/autograd/tensor.h>

#include <string>
#include <vector>

namespace unroll {

// A tensor for each parameter of a model, of any shape: what derivatives are that are not of the
// parameter's own shape. In the order of parameters(); those that are frozen are left out.
class PerParameter {
 public:
  struct Entry {
    Tensor parameter = {};
    std::string path = {};
    Tensor value = {};
  };

  PerParameter() = default;

  bool empty() const { return entries_.empty(); }
  Index size() const { return std::ssize(entries_); }
  bool contains(const Tensor& parameter) const { return find(parameter) != nullptr; }
  // Throws with the path of a parameter that is not there.
  const Tensor& operator[](const Tensor& parameter) const;
  const Entry* find(const Tensor& parameter) const;  // null where it is not there
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

  void add(Entry entry) { entries_.push_back(std::move(entry)); }

 private:
  std::vector<Entry> entries_;
};

}  // namespace unroll
