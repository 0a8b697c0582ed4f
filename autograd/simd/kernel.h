#pragma once

#include <unroll/autograd/index.h>
#include <unroll/autograd/simd/gradient.h>
#include <unroll/autograd/simd/isa.h>
#include <unroll/autograd/simd/packet.h>

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

// What the engine needs to run a pointwise function, without a template of its own: a table of
// compiled kernels per function, and a table for its gradient behind it.
namespace unroll::simd {

// One input, `rows` x `columns` elements; strides are counted in elements. column_stride is 1, or
// 0 for a row that repeats one element; row_stride 0 repeats one row. A packet is read whole, so
// the block behind it must be readable for 64 bytes from any of its elements.
struct PointwiseInput {
  const std::byte* data = nullptr;
  Index row_stride = 0;
  Index column_stride = 1;
};

// One output. No data: not wanted, nothing is stored. Columns are adjacent. `accumulate` adds to
// what is there. With `whole_packets` the last packet of a row may overwrite up to 64 bytes from
// its first element: for a dense block that is padded by that much, and holds nothing else behind.
// Outputs are stored packet by packet in the order of the outputs, so two outputs may be the same
// memory if the later one accumulates, and an output may be an input's memory, element for element.
struct PointwiseOutput {
  std::byte* data = nullptr;
  Index row_stride = 0;
  bool accumulate = false;
  bool whole_packets = false;
};

// `function` points at function_bytes bytes, aligned as the function's type (at most 16).
using PointwiseKernel = void (*)(const void* function, Index rows, Index columns,
                                 const PointwiseInput* inputs, const PointwiseOutput* outputs);

inline constexpr int max_inputs = 8;          // of a user's function
inline constexpr int max_outputs = 8;         // of a user's function
inline constexpr int max_table_inputs = 24;   // of any table: second order of 8 inputs, 8 outputs
inline constexpr int max_table_outputs = 16;  // of any table

enum class Element { f32, f64 };

// Everything compiled for one function. `gradient` is the table of the function
//   (x..., upstream...) -> (gradient of x...)
// that is of inputs + outputs values, `inputs` results and the same function bytes; null where the
// supported order ends.
struct PointwiseTable {
  int inputs = 0;
  int outputs = 0;
  std::size_t function_bytes = 0;
  PointwiseKernel kernel[2][isa_count] = {};  // [Element][Isa]
  const PointwiseTable* gradient = nullptr;

  PointwiseKernel best(Element e) const {
    return kernel[static_cast<int>(e)][static_cast<int>(active_isa())];
  }
};

}  // namespace unroll::simd

#define UNROLL_SIMD_BODY <unroll/autograd/simd/kernel_body.h>
#include <unroll/autograd/simd/for_each_isa.h>

namespace unroll::simd {

namespace detail {

template <std::size_t>
using Probe = const baseline::Packet<float>&;

template <class F, std::size_t... I>
constexpr bool callable(std::index_sequence<I...>) {
  return std::is_invocable_v<const F&, Probe<I>...>;
}

template <class F, std::size_t... I>
constexpr int count_outputs(std::index_sequence<I...>) {
  return static_cast<int>(
      result_count<std::remove_cvref_t<std::invoke_result_t<const F&, Probe<I>...>>>);
}

}  // namespace detail

// The smallest number of inputs in 1 ... 8 with which F can be called, 0 if there is none. Only the
// body for that number is instantiated.
template <class F, int N = 1>
constexpr int arity_of() {
  if constexpr (N > max_inputs)
    return 0;
  else if constexpr (detail::callable<F>(std::make_index_sequence<static_cast<std::size_t>(N)>{}))
    return N;
  else
    return arity_of<F, N + 1>();
}

// How many results F has: std::tuple_size of a tuple, else 1.
template <class F, int Inputs>
constexpr int outputs_of() {
  return detail::count_outputs<F>(std::make_index_sequence<static_cast<std::size_t>(Inputs)>{});
}

namespace detail {

// Kernels of the function and its gradient are compiled for every instruction set, of the second
// order for the baseline alone: it is run rarely and is the most expensive to compile.
inline constexpr int levels_for_every_isa = 2;

template <class F, int Inputs, int Level, int Order>
struct Compiled {
  static constexpr int outputs = outputs_of<F, Inputs>();
  using I = std::make_index_sequence<static_cast<std::size_t>(Inputs)>;
  using O = std::make_index_sequence<static_cast<std::size_t>(outputs)>;

  template <class T>
  static constexpr PointwiseKernel kernel_for(Isa isa) {
    if constexpr (Level < levels_for_every_isa) {
      if (isa == Isa::avx512) return avx512::Kernel<T, F, I, O>::run;
      if (isa == Isa::avx2) return avx2::Kernel<T, F, I, O>::run;
    }
    return baseline::Kernel<T, F, I, O>::run;
  }

  static constexpr const PointwiseTable* gradient() {
    if constexpr (Order > 0)
      return &Compiled<Grad<F, Inputs, outputs>, Inputs + outputs, Level + 1, Order - 1>::table;
    else
      return nullptr;
  }

  static constexpr PointwiseTable table{
      .inputs = Inputs,
      .outputs = outputs,
      .function_bytes = sizeof(F),
      .kernel = {{kernel_for<float>(Isa::baseline), kernel_for<float>(Isa::avx2),
                  kernel_for<float>(Isa::avx512)},
                 {kernel_for<double>(Isa::baseline), kernel_for<double>(Isa::avx2),
                  kernel_for<double>(Isa::avx512)}},
      .gradient = gradient()};
};

inline constexpr PointwiseTable no_table{};

}  // namespace detail

// The table of F, called with `Inputs` values. F is pure and generic, and may capture numbers by
// value. Order is how often it can be differentiated (0 ... 2); lower it to save compile time.
template <class F, int Inputs = arity_of<std::remove_cvref_t<F>>(), int Order = 2>
constexpr const PointwiseTable& pointwise_table() {
  using Function = std::remove_cvref_t<F>;
  static_assert(Inputs > 0,
                "[pointwise] a function that cannot be called with 1 to 8 values; needed a generic "
                "lambda; hint: [](auto x, auto y) { return x * y; }");
  static_assert(Inputs <= max_inputs, "[pointwise] more than 8 inputs; needed at most 8");
  static_assert(std::is_trivially_copyable_v<Function>,
                "[pointwise] a function that captures more than numbers; needed captures of "
                "numbers by value; hint: pass a Tensor as an argument: pointwise(f, x, tensor)");
  static_assert(alignof(Function) <= 16 && sizeof(Function) <= 4096,
                "[pointwise] a function that captures too much; needed a few numbers");
  static_assert(0 <= Order && Order <= 2, "[pointwise] Order is 0, 1 or 2");
  if constexpr (Inputs > 0 && std::is_trivially_copyable_v<Function>) {
    static_assert(outputs_of<Function, Inputs>() <= max_outputs,
                  "[pointwise] more than 8 results; needed at most 8");
    return detail::Compiled<Function, Inputs, 0, Order>::table;
  } else {
    return detail::no_table;
  }
}

}  // namespace unroll::simd
