#pragma once

#include <unroll/unroll.h>

#include <complex>
#include <vector>

// The eigenvalues of a square matrix, the largest first.
std::vector<std::complex<double>> spectrum(const unroll::Tensor& matrix);

// ∂state'/∂state of one step, all fields of the state in a row: [n, n] with n = fields · hidden.
template <class Cell>
unroll::Tensor step_jacobian(const Cell& cell, const unroll::Tensor& x,
                             const typename Cell::State& state) {
  using unroll::Index;
  using unroll::Tensor;
  const auto in_a_row = [](const typename Cell::State& s) {
    std::vector<Tensor> fields;
    unroll::for_each_tensor(s, [&](const Tensor& field) { fields.push_back(field); });
    return unroll::concat(fields, -1);
  };
  const auto step = [&](const Tensor& row) {
    typename Cell::State s = state;
    Index from = 0;
    unroll::for_each_tensor(s, [&](Tensor& field) {
      const Index to = from + field.size(-1);
      field = unroll::slice(row, {.axis = -1, .from = from, .to = to});
      from = to;
    });
    return in_a_row(cell(x, s));
  };
  const Tensor here = in_a_row(state);  // [1, n]
  return unroll::reshape(unroll::jacobian(step, here), {here.size(), here.size()});
}
