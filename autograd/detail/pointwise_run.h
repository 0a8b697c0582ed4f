#pragma once

#include <unroll/autograd/simd/kernel.h>
#include <unroll/autograd/tensor.h>

#include <array>
#include <cstddef>
#include <memory>
#include <type_traits>

// Running the kernels of a pointwise function over tensors; recording and derivatives are
// elsewhere.
namespace unroll::detail {

constexpr int max_in = simd::max_table_inputs;
constexpr int max_out = simd::max_table_outputs;
constexpr Index pointwise_task = 16384;  // elements; fixed: the cut must not depend on the threads
constexpr Index pointwise_small = 2 * pointwise_task;  // up to here one call does it all

// One output of a run.
struct OutputBlock {
  Header* header = nullptr;  // null: not wanted
  bool accumulate = false;
};

inline simd::PointwiseKernel kernel_of(const simd::PointwiseTable& table, DType dtype) {
  return table.best(dtype == f32 ? simd::Element::f32 : simd::Element::f64);
}

inline bool same_extents(const Header& a, const Header& b) {
  if (a.rank != b.rank) return false;
  for (std::uint8_t i = 0; i < a.rank; ++i)
    if (a.extents()[i] != b.extents()[i]) return false;
  return true;
}

// Room for operands that costs nothing until they are there: one-element calls are counted in
// nanoseconds.
template <class T, std::size_t N>
class Room {
 public:
  T& put(std::size_t k, const T& value) { return *std::construct_at(data() + k, value); }
  T* data() { return reinterpret_cast<T*>(bytes_); }

 private:
  static_assert(std::is_trivially_destructible_v<T>);
  alignas(T) std::byte bytes_[N * sizeof(T)];
};

// Runs a function over operands that broadcast to `like`, a tensor of the outputs' shape. in: null
// stands for zeros.
void run_pointwise(const simd::PointwiseTable& table, const void* f, const Header& like,
                   Header* const* in, const OutputBlock* out);

}  // namespace unroll::detail
