#pragma once

#include <cmath>

namespace unroll::test {

// A number and its derivative in one direction.
struct Dual {
  double value = 0;
  double slope = 0;

  Dual() = default;
  explicit Dual(double v, double s = 0) : value(v), slope(s) {}
};

inline Dual operator+(const Dual& a, const Dual& b) {
  return Dual(a.value + b.value, a.slope + b.slope);
}
inline Dual operator-(const Dual& a, const Dual& b) {
  return Dual(a.value - b.value, a.slope - b.slope);
}
inline Dual operator*(const Dual& a, const Dual& b) {
  return Dual(a.value * b.value, a.slope * b.value + a.value * b.slope);
}
inline Dual operator/(const Dual& a, const Dual& b) {
  const double q = a.value / b.value;
  return Dual(q, (a.slope - q * b.slope) / b.value);
}
inline Dual exp(const Dual& a) { return Dual(std::exp(a.value), a.slope * std::exp(a.value)); }
inline Dual tanh(const Dual& a) {
  const double y = std::tanh(a.value);
  return Dual(y, a.slope * (1 - y * y));
}
inline Dual sqrt(const Dual& a) {
  const double y = std::sqrt(a.value);
  return Dual(y, a.slope / (2 * y));
}

}  // namespace unroll::test
