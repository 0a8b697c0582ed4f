#pragma once

#include <unroll/autograd/tensor.h>

namespace unroll::nn {

class LayerNorm;

// What begin() of the library's cells returns: the recurrent product of one sequence, h·Wh.
// Wrappers rewrite it, by the names of its fields: WeightDrop drops Wh, VariationalDropout sets
// h_mask, LayerNormed the norms. A cell of one's own gets them in the same way.
struct RecurrentWeights {
  Tensor Wh;
  Tensor h_mask = {};                         // [B, hidden], what h is multiplied by; undefined: 1
  const LayerNorm* norm_input = nullptr;      // of x·Wx
  const LayerNorm* norm_recurrent = nullptr;  // of h·Wh

  // h·Wh + `added`, which has the shape of the result or is a bias; undefined: 0.
  Tensor product(const Tensor& h, const Tensor& added) const;
};

}  // namespace unroll::nn
