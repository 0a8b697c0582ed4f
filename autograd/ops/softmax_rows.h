#pragma once

#include <unroll/autograd/index.h>

namespace unroll::detail {

// Loops over one row, for the processor at hand. The row must be readable for 64 bytes past its
// end.
template <class T>
struct SoftmaxRows {
  T (*max)(const T* x, Index n);
  Index (*find)(const T* x, Index n, T value);  // the first; it must be there
  void (*log)(const T* x, Index n, double shift, double log_sum, T* y);
  double (*exp_sum)(const T* x, Index n, T shift);
  void (*exp)(const T* x, Index n, T shift, T log_sum, T factor, T* y);
  void (*add_exp)(const T* x, Index n, T shift, T log_sum, T factor, T* y);
};
template <class T>
const SoftmaxRows<T>& softmax_rows();

// log Σ e^x of a row in two parts, so that x - shift - log_sum loses nothing. Of +inf or NaN in the
// row log_sum is NaN.
struct LogSum {
  double shift = 0;    // the largest element; 0 where all are -inf
  double log_sum = 0;  // log Σ e^(x - shift); near 0 as right as elsewhere
};
template <class T>
LogSum log_sum_of(const T* x, Index n);

}  // namespace unroll::detail
