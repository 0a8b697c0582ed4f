// expect: needed captures of numbers by value
#include <unroll/autograd/simd/kernel.h>

#include <memory>

// Owns something, as a Tensor does.
struct Handle {
  std::shared_ptr<float> data;
  float slope = 1;
};

int main() {
  const Handle handle;
#ifdef UNROLL_GOOD
  const float slope = handle.slope;
  const auto f = [slope](auto x) { return x * slope; };
#else
  const auto f = [handle](auto x) { return x * handle.slope; };
#endif
  return unroll::simd::pointwise_table<decltype(f)>().inputs;
}
