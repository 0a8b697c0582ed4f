#include "spectrum.h"

#include <algorithm>

#include <Eigen/Eigenvalues>

std::vector<std::complex<double>> spectrum(const unroll::Tensor& matrix) {
  using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const unroll::Tensor dense = unroll::contiguous(matrix);
  const Eigen::Map<const Matrix> m(dense.span<double>().data(), dense.size(0), dense.size(1));
  const Eigen::VectorXcd values = Eigen::EigenSolver<Matrix>(m, false).eigenvalues();
  std::vector<std::complex<double>> sorted(values.begin(), values.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return std::abs(a) > std::abs(b); });
  return sorted;
}
