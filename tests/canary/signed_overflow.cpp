#include <iostream>
#include <limits>

int main(int argc, char**) {
  int value = std::numeric_limits<int>::max();
  value += argc;
  std::cout << value << " survived\n";
}
