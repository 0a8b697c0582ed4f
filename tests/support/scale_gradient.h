#pragma once

#include <unroll/autograd/custom_op.h>

namespace unroll::test {

struct Scale {
  double by = 2;
};
// An operation of one's own that changes nothing but its gradient.
inline constexpr CustomOp<1, Scale> scale_gradient{
    .name = "scale_gradient",
    .forward = [](const auto& in, const Scale&) { return in[0]; },
    .derivative = [](const auto&, const Tensor& dy,
                     const Scale& scale) { return std::array{scale.by * dy}; }};

}  // namespace unroll::test
