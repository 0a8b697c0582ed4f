#include <iostream>
#include <thread>

// The report is the result; nothing is asked of the value.
int main() {
  long value = 0;
  auto add = [&value] {
    for (int i = 0; i < 100000; ++i) value = value + 1;
  };
  std::thread first(add);
  std::thread second(add);
  first.join();
  second.join();
  std::cout << value << '\n';
}
