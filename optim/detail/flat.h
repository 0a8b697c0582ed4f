#pragma once

#include <unroll/autograd/index.h>

#include <span>

// Vectors of f64 as L-BFGS has them. Sums are taken in a fixed order.
namespace unroll::optim::detail {

double dot(std::span<const double> x, std::span<const double> y);
// y += factor · x
void add_scaled(double factor, std::span<const double> x, std::span<double> y);
double largest_size(std::span<const double> x);  // max |x|
double sum_of_sizes(std::span<const double> x);  // Σ |x|

}  // namespace unroll::optim::detail
