#pragma once

#include <unroll/unroll.h>

#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "support/dual.h"

// Recurrent networks as papers write them, on rows of plain numbers and one at a time: for double,
// and for Dual, which carries a derivative along.
namespace unroll::test {

template <class N>
using Row = std::vector<N>;

// A matrix or, with one row, a vector.
template <class N>
struct Matrix {
  std::size_t rows = 0, columns = 0;
  std::vector<N> values;

  const N& operator()(std::size_t i, std::size_t j) const { return values[i * columns + j]; }
};

// Parameters of a layer by path, "0.forward.Wx".
template <class N>
using Parameters = std::map<std::string, Matrix<N>>;

// What a cell remembers: h, and c where there is one.
template <class N>
using Memory = std::vector<Row<N>>;

template <class N>
Row<N> operator+(const Row<N>& a, const Row<N>& b) {
  Row<N> y;
  for (std::size_t i = 0; i < a.size(); ++i) y.push_back(a[i] + b[i]);
  return y;
}

template <class N>
Row<N> times(const Row<N>& a, const Row<N>& b) {
  Row<N> y;
  for (std::size_t i = 0; i < a.size(); ++i) y.push_back(a[i] * b[i]);
  return y;
}

// x·W.
template <class N>
Row<N> product(const Row<N>& x, const Matrix<N>& W) {
  Row<N> y(W.columns, N(0.0));
  for (std::size_t j = 0; j < W.columns; ++j)
    for (std::size_t i = 0; i < W.rows; ++i) y[j] = y[j] + x.at(i) * W(i, j);
  return y;
}

template <class N>
Row<N> block(const Row<N>& x, std::size_t which, std::size_t of) {
  const auto size = static_cast<std::ptrdiff_t>(x.size() / of);
  const auto begin = x.begin() + static_cast<std::ptrdiff_t>(which) * size;
  return Row<N>(begin, begin + size);
}

template <class N>
N logistic(const N& x) {
  using std::exp;
  return N(1.0) / (N(1.0) + exp(N(0.0) - x));
}

// Ba et al.: (x - mean) / √(variance + 1e-5) · gain + shift.
template <class N>
Row<N> normalized(const Row<N>& x, const Matrix<N>& gain, const Matrix<N>& shift) {
  using std::sqrt;
  const N n(static_cast<double>(x.size()));
  N mean(0.0), variance(0.0);
  for (const N& v : x) mean = mean + v / n;
  for (const N& v : x) variance = variance + (v - mean) * (v - mean) / n;
  Row<N> y;
  for (std::size_t i = 0; i < x.size(); ++i)
    y.push_back((x[i] - mean) / sqrt(variance + N(1e-5)) * gain.values[i] + shift.values[i]);
  return y;
}

// One step: parameters, where the cell's begin in them, input, memory.
template <class N>
using Step = std::function<Memory<N>(const Parameters<N>&, const std::string& at, const Row<N>& x,
                                     const Memory<N>& before)>;

// A layer in one direction over one sequence; `memory` becomes the final one.
template <class N>
std::vector<Row<N>> over_time(const Step<N>& step, const Parameters<N>& p, const std::string& at,
                              const std::vector<Row<N>>& x, Memory<N>& memory, bool reversed,
                              std::size_t output_at = 0) {
  std::vector<Row<N>> outputs(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::size_t t = reversed ? x.size() - 1 - i : i;
    memory = step(p, at, x[t], memory);
    outputs[t] = memory.at(output_at);
  }
  return outputs;
}

// A network over one sequence: parameters and inputs to outputs and the final memories, in the
// order of the tensors of the layer's state.
template <class N>
struct Answer {
  std::vector<Row<N>> outputs;
  std::vector<Memory<N>> memories;
};
template <class N>
using Network = std::function<Answer<N>(const Parameters<N>&, const std::vector<Row<N>>& x)>;

// A single layer of one direction that starts from zeros of the given sizes.
template <class N>
Network<N> one_layer(const Step<N>& step, const std::vector<std::size_t>& sizes,
                     std::size_t output_at = 0) {
  return [=](const Parameters<N>& p, const std::vector<Row<N>>& x) {
    Memory<N> memory;
    for (const std::size_t size : sizes) memory.push_back(Row<N>(size, N(0.0)));
    Answer<N> answer;
    answer.outputs = over_time<N>(step, p, "0.forward.", x, memory, false, output_at);
    answer.memories = {memory};
    return answer;
  };
}

}  // namespace unroll::test
