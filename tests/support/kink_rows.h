#pragma once

#include <unroll/unroll.h>

#include <vector>

namespace unroll::test {

using Numbers = std::vector<double>;

// Of f at x, a vector: its value and the gradient of its elements weighted 1, 10, 100, …
struct KinkRow {
  const char* operation;
  const char* documented;  // a part of the record's formula or domain
  Tensor (*f)(const Tensor&);
  Numbers x, value, gradient;
};

// Of every operation that is not smooth somewhere.
const std::vector<KinkRow>& kink_rows();

// A vector of those numbers.
Tensor numbers(const Numbers& x, DType dtype);

}  // namespace unroll::test
