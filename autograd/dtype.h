#pragma once

#include <unroll/autograd/index.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace unroll {

// What the elements of a tensor are. A property of the value, known at run time.
enum class DType : std::uint8_t { f32, f64, i64 };
inline constexpr DType f32 = DType::f32;
inline constexpr DType f64 = DType::f64;
inline constexpr DType i64 = DType::i64;

constexpr std::size_t element_bytes(DType dtype) { return dtype == f32 ? 4 : 8; }
constexpr bool is_floating(DType dtype) { return dtype != i64; }
constexpr std::string_view name_of(DType dtype) {
  return dtype == f32 ? "f32" : dtype == f64 ? "f64" : "i64";
}

template <class T>
inline constexpr DType dtype_of = DType::i64;
template <>
inline constexpr DType dtype_of<float> = DType::f32;
template <>
inline constexpr DType dtype_of<double> = DType::f64;

// Calls f with a value of the C++ type of a floating dtype: visit_floating(d, []<class T>(T) {…}).
template <class F>
decltype(auto) visit_floating(DType dtype, F&& f) {
  if (dtype == f32) return f(float{});
  return f(double{});
}

// The same over all dtypes.
template <class F>
decltype(auto) visit(DType dtype, F&& f) {
  if (dtype == f32) return f(float{});
  if (dtype == f64) return f(double{});
  return f(Index{});
}

}  // namespace unroll
