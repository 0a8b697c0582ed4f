// expect: a gradient for each input
#include <unroll/autograd/custom_op.h>
#include <unroll/autograd/ops/arithmetic.h>

inline constexpr unroll::CustomOp<2> product{
    .name = "product",
    .forward = [](const auto& in) { return in[0] * in[1]; },
    .derivative =
        [](const auto& saved, const unroll::Tensor& dy) {
#ifdef UNROLL_GOOD
          return std::array{dy * saved.inputs[1], dy * saved.inputs[0]};
#else
          return std::array{dy * saved.inputs[1]};
#endif
        },
    .saves = unroll::Saves::inputs,
};

int main() { return product.saves == unroll::Saves::inputs ? 0 : 1; }
