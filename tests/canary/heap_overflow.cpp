#include <cstddef>
#include <iostream>
#include <vector>

int main(int argc, char**) {
  std::vector<double> values(8);
  const double* past = values.data() + 7 + static_cast<std::size_t>(argc);
  std::cout << *past << " survived\n";
}
