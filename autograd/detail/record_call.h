#pragma once

#include <unroll/autograd/detail/check_finite.h>
#include <unroll/autograd/detail/recording.h>

#include <cstring>

namespace unroll::detail {

// Shows the tape's observer what was recorded last.
void show_last(Recording& tape, std::span<const Tensor* const> inputs,
               std::span<Header* const> made);

// The one way onto a tape for a call that has been made, and the place of whatever looks at it.
// `values` are those of the inputs, one of which has a history. In one piece with its callers: calls
// with one element are counted in nanoseconds.
[[gnu::always_inline]] inline void record_call(Recording& tape, const Operation& operation,
                                               std::span<const Tensor* const> inputs,
                                               const std::uint32_t* values,
                                               std::span<Header* const> saved,
                                               const void* attributes, std::size_t attribute_bytes,
                                               std::span<Header* const> made) {
  if (tape.check_finite)
    check_made(tape, operation, inputs, values,
               {static_cast<const std::byte*>(attributes), attribute_bytes}, made);
  std::byte* at = tape.push(&operation, {values, inputs.size()}, saved, attribute_bytes, made);
  if (attribute_bytes != 0) std::memcpy(at, attributes, attribute_bytes);
  if (tape.observed) [[unlikely]]
    show_last(tape, inputs, made);
}

}  // namespace unroll::detail
