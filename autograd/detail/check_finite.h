#pragma once

#include <unroll/autograd/detail/recording.h>
#include <unroll/autograd/tensor.h>

#include <span>
#include <string>

// What Tape({.check_finite = true}) looks at, and what it says. Going forward, every output of every
// operation that is recorded, before it is; going back, whatever a derivative rule has added to,
// right after it. Operations on constants alone are not recorded and not looked at: what is wrong
// with them shows in the first recorded operation whose result they spoil.
//
// -inf that a constant brings in (a mask of scores, masked_fill(x, mask, -inf)) is meant: it passes
// through the operations that hand it on. NaN, inf, and -inf that is made or that stands in a
// parameter or a watched tensor never pass, and in gradients nothing does.
namespace unroll::detail {

// Throws where an output is not finite. `values` are those of the inputs on the tape; in attributes
// that are a pointwise function, captured numbers are constants too.
void check_made(const Recording& tape, const Operation& operation,
                std::span<const Tensor* const> inputs, const std::uint32_t* values,
                std::span<const std::byte> attributes, std::span<Header* const> outputs);

// Throws where what the derivative of a node has made of an operand's gradient is not finite.
// `upstream` holds the gradients of its outputs, undefined where none came; `factor` is what it
// multiplied them by, where that is no longer saved.
void check_gradient(const Recording& tape, const Node& node, std::uint32_t input,
                    std::span<const Tensor> upstream, const Tensor& gradient,
                    const Tensor& factor = {});
// The same where it is rows of a table at ids.
void check_gradient_rows(const Recording& tape, const Node& node, std::uint32_t input,
                         const Tensor& ids, const Tensor& rows);
// Throws where a gradient is not finite although its parts are: beyond the range of its dtype.
void check_sum(const Recording& tape, std::uint32_t value, const Tensor& sum);
// Throws where the gradient that backward or gradient is given to start from is not finite.
void check_upstream(const Tensor& upstream);

}  // namespace unroll::detail
