#pragma once

#include <unroll/autograd/dtype.h>
#include <unroll/autograd/index.h>
#include <unroll/autograd/tensor.h>

namespace unroll::detail {

// A matrix in memory; one of the strides (in elements) is 1.
struct Matrix {
  std::byte* data = nullptr;
  Index rows = 0;
  Index columns = 0;
  Index row_stride = 0;
  Index column_stride = 1;

  Matrix transposed() const { return {data, columns, rows, column_stride, row_stride}; }
};

// x with all axes but the last taken together. Makes `hold` a dense copy where x does not lie so.
Matrix as_matrix(const Tensor& x, Tensor& hold);
// A tensor of rank 2 whose rows or columns have no gaps; copied into `hold` where neither is so.
Matrix as_matrix_2d(const Tensor& x, Tensor& hold);

// Whether b, with rows a power of two apart, should be copied with room behind each row before a
// product of `rows` rows; and such a copy, a tensor of the same shape.
bool padding_pays(DType dtype, const Matrix& b, Index rows);
Tensor padded_copy(DType dtype, const Matrix& b);

// c = a·b, or c += a·b. c has column_stride 1. f32 runs in oneDNN where it is there, else in Eigen;
// f64 in Eigen. Large products are cut into tasks by fixed sizes, whatever the number of threads.
void multiply(DType dtype, const Matrix& a, const Matrix& b, bool accumulate, const Matrix& c);

}  // namespace unroll::detail
