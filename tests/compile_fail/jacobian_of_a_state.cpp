// expect: this derivative is of one Tensor
#include <unroll/unroll.h>

using namespace unroll;

Tensor jacobian_of(const nn::LSTM& lstm, const Tensor& x) {
#ifdef UNROLL_GOOD
  return jacobian([&](const Tensor& at) { return lstm(at).outputs; }, x);
#else
  return jacobian(lstm, x);
#endif
}
