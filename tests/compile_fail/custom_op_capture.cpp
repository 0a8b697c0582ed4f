// expect: capture nothing
#include <unroll/autograd/custom_op.h>
#include <unroll/autograd/ops/arithmetic.h>

int main() {
  double factor = 2;
  static_cast<void>(factor);
#ifdef UNROLL_GOOD
  const auto forward = [](const auto& in) { return 2.0 * in[0]; };
#else
  const auto forward = [factor](const auto& in) { return factor * in[0]; };
#endif
  const unroll::CustomOp<1> scaled{
      .name = "scaled",
      .forward = forward,
      .derivative = [](const auto&, const unroll::Tensor& dy) { return std::array{2.0 * dy}; },
  };
  return scaled.saves == unroll::Saves::none ? 0 : 1;
}
