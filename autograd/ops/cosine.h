#pragma once

#include <unroll/autograd/ops/loss_options.h>

namespace unroll {

struct CosineOptions {
  Index axis = -1;        // along which a vector lies
  double epsilon = 1e-8;  // >= 0; stands in for a smaller |x| |y|
};
// x·y / max(|x| |y|, epsilon) of the vectors along an axis, which is gone from the result. One
// shape and dtype. Where a vector is zero: 0, and gradient 0.
Tensor cosine_similarity(const Tensor& x, const Tensor& y, const CosineOptions& options = {});

struct CosineEmbeddingOptions {
  double margin = 0;  // -1 … 1: how like each other an unlike pair may be at no cost
  Index axis = -1;
  double epsilon = 1e-8;
  Tensor weights = {};
  Reduction reduction = Reduction::mean;
};
// For pairs of vectors with targets of 1 (alike) or -1 (unlike) in i64, of the shape of the
// similarities c: 1 - c, or max(0, c - margin). See LossOptions. Throws for any other target.
Tensor cosine_embedding(const Tensor& x, const Tensor& y, const Tensor& targets,
                        const CosineEmbeddingOptions& options = {});

}  // namespace unroll
