#pragma once

#include <unroll/autograd/leaf.h>
#include <unroll/autograd/tensor.h>

#include <string>
#include <vector>

namespace unroll {

// Some rows of a table [count, size]: ids i64 [n], ascending and each once, and values [n, size].
struct RowSparse {
  Tensor ids = {};
  Tensor values = {};
  Shape shape = {};  // of the whole table
};

// What a backward pass returns: a gradient for each parameter that the loss reached, as a value.
// Accumulating is `+=`; an empty one adds like zero. Parameters themselves hold no gradient.
class Gradients {
 public:
  struct Entry {
    Tensor parameter = {};
    std::string path = {};
    Tensor dense = {};  // undefined: sparse
    RowSparse sparse = {};
    bool is_sparse() const { return !dense.defined(); }
  };

  Gradients() = default;

  bool empty() const { return entries_.empty(); }
  Index size() const { return std::ssize(entries_); }
  bool contains(const Tensor& parameter) const { return find(parameter) != nullptr; }
  // The gradient of a parameter, dense whatever it is inside. Throws with its path where there is
  // none.
  Tensor operator[](const Tensor& parameter) const;
  // As it is inside; null where there is none.
  const Entry* find(const Tensor& parameter) const;

  // By path, then in the order in which the tape met them.
  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }

  Gradients& operator+=(const Gradients& other);
  Gradients& operator*=(double factor);
  // Euclidean norm of all gradients together; scaled, so that finite gradients have a finite norm.
  double norm() const;

  void insert(Entry entry);

 private:
  std::vector<Entry> entries_;
};

Tensor to_dense(const RowSparse& rows);

}  // namespace unroll
