#pragma once

#include <unroll/autograd/detail/matrix_product.h>
#include <unroll/autograd/tensor.h>

#include <vector>

namespace unroll::detail {

// Copies of weights whose rows lie a multiple of 1 KiB apart. All rows of such a matrix fall on the
// same few lines of the first-level cache, which halves the speed of a product (measured on AVX2: 45
// against 93 GFLOP/s for [32, 256]·[256, 1024]). A copy with some room behind each row is made once
// and used at every time step.
class PaddedWeights {
 public:
  // W as a matrix, from a copy where that pays for a product with `rows` rows. A copy is kept of
  // what is used often; `multiply` itself sees to what is used once.
  Matrix matrix_of(const Tensor& W, Index rows, Tensor& hold);
  Index bytes() const;
  // Drops copies of what a tape recorded as the values first … last - 1.
  void forget(std::uint64_t tape, std::uint32_t first, std::uint32_t last);
  void clear() {
    copies_.clear();
    met_.clear();
  }

 private:
  struct Copy {
    Tensor weight;          // kept, so that its address means no other
    std::uint32_t version;  // of its elements
    Tensor padded;
  };
  bool is_used_often(const Tensor& W);

  std::vector<Copy> copies_;
  std::vector<const Header*> met_;  // used once so far; only compared with
};

// Where this thread keeps its copies now: with its tape, or for as long as a KeepWeights lives;
// null: nowhere.
PaddedWeights* current_padded_weights();

// Keeps copies until the end of the block, for a loop over time without a tape.
class KeepWeights {
 public:
  KeepWeights();
  ~KeepWeights();
  KeepWeights(const KeepWeights&) = delete;
  KeepWeights& operator=(const KeepWeights&) = delete;

 private:
  PaddedWeights weights_;
  PaddedWeights* before_;
};

}  // namespace unroll::detail
