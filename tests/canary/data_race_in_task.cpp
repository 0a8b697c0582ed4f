#include <unroll/autograd/parallel.h>

#include <iostream>

// Two tasks of the library's own loop write to one variable.
int main() {
  double sum = 0;
  for (int repeat = 0; repeat < 200; ++repeat)
    unroll::detail::parallel_for(4096, 16, [&](unroll::Index begin, unroll::Index end) {
      for (unroll::Index i = begin; i < end; ++i) sum = sum + static_cast<double>(i);
    });
  std::cout << sum << '\n';
}
