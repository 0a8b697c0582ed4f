#include <unroll/unroll.h>

#include <fstream>
#include <iostream>
#include <iterator>

// Draws a graph where it is linked with unroll::graph, and says what is missing where it is not.
int main() {
  using namespace unroll;
  Tape tape;
  Tensor x = tape.watch(tensor({1.0, 2.0, 3.0}));
  tape.name(sum(tanh(x)), "loss");
  try {
    graph::write("model.svg", tape.snapshot());
    std::ifstream file("model.svg");
    const std::string svg(std::istreambuf_iterator<char>(file), {});
    std::cout << (svg.find(">tanh<") == std::string::npos ? "no tanh in it" : "drawn") << '\n';
  } catch (const Error& e) {
    std::cout << e.what() << '\n';
  }
}
