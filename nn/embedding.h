#pragma once

#include <unroll/nn/module.h>

#include <optional>

namespace unroll::nn {

// A row of `size` numbers for each of `count` ids: ids i64 [...] → [..., size].
class Embedding : public Module {
 public:
  struct Options {
    Index count = 0;
    Index size = 0;
    // An id that stands for nothing: its row is 0 at first, and looking it up gives it no gradient.
    std::optional<Index> padding = {};
    init::Init init = init::normal(1);
  };
  explicit Embedding(Options o);

  Tensor operator()(const Tensor& ids) const;

  const Options options;
  Parameter W;  // [count, size]
};

}  // namespace unroll::nn
