#pragma once

#include <unroll/autograd/backward.h>

#include <algorithm>
#include <string_view>
#include <vector>

// What layer_norm, rms_norm and batch_norm share.
namespace unroll::detail {

// Attributes of their records. Inputs are x and what there is of weight and bias; saved are x, the
// statistics, and the weight where there is one.
struct NormRule {
  double epsilon;
  bool centred;
  bool weight;
  bool bias;

  Index bias_input() const { return weight ? 2 : 1; }
};

// Of a row or feature, in f64 [count, 3].
struct Statistics {
  double mean;
  double rest;   // what the mean lost when it was rounded
  double scale;  // 1 / √(var + epsilon)
};

// The mean as the sum of two T, so that x - mean is right also where the spread is small beside it.
template <class T>
struct MeanParts {
  explicit MeanParts(const Statistics& s)
      : first(static_cast<T>(s.mean)),
        rest(static_cast<T>((s.mean - static_cast<double>(first)) + s.rest)) {}
  T first;
  T rest;
};

// Fixed stretches of rows of n elements, each a task.
inline Index rows_of_task(Index n) { return std::max<Index>(16, 32768 / std::max<Index>(1, n)); }

void check_normalised(std::string_view operation, const Tensor& x, Index extent,
                      std::string_view name, const Tensor& operand);
void check_epsilon(std::string_view operation, double epsilon);

// Records y with those of x, weight and bias that are there.
Tensor record_normalised(const Operation& operation, const NormRule& rule, const Tensor& x,
                         const Tensor& weight, const Tensor& bias, const Tensor& statistics,
                         Tensor y);

// The derivative in operations of the library, with statistics taken along `axis`:
// dx = (g - mean g - x̂ mean(g x̂)) / √(var + epsilon), g = dy weight.
void normalised_derivative(Backward& b, const Tensor& dy, Index axis);

// Adds up sums of stretches, in order: sums [stretches, n].
Tensor total_of(const std::vector<double>& sums, Index n, DType dtype);

}  // namespace unroll::detail
