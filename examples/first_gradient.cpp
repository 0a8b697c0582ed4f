#include <unroll/unroll.h>

#include <iostream>

int main() {
  using namespace unroll;
  Tape tape;
  Tensor x = tape.watch(tensor({1.0, 2.0, 3.0}));
  Tensor y = sum(x * x * x);
  Tensor slope = tape.gradient(y, x);
  std::cout << y.item() << '\n'  // 36
            << slope << '\n';    // f32 [3]  3 12 27
  return all_equal(slope, tensor({3.0, 12.0, 27.0})) ? 0 : 1;
}
