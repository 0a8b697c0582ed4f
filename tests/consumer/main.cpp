#include <unroll/unroll.h>

#include <iostream>

int main() {
  using namespace unroll;
  Tape tape;
  Tensor x = tape.watch(tensor({1.0, 2.0, 3.0}));
  Tensor y = sum(x * x * x);
  std::cout << y.item() << '\n' << tape.gradient(y, x) << '\n';
}
