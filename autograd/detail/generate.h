#pragma once

#include <unroll/autograd/parallel.h>
#include <unroll/autograd/tensor.h>

namespace unroll::detail {

// A new tensor whose element i is value(i); any thread may make any part.
template <class Value>
Tensor generate(const Shape& shape, DType dtype, const Value& value) {
  constexpr Index task_elements = 16384;
  Tensor t = empty(shape, dtype);
  visit(dtype, [&]<class T>(T) {
    T* to = data<T>(t);
    parallel_for(t.size(), task_elements, [&](Index begin, Index end) {
      for (Index i = begin; i < end; ++i) to[i] = static_cast<T>(value(i));
    });
  });
  return t;
}

void require_floating_dtype(std::string_view operation, DType dtype);

}  // namespace unroll::detail
