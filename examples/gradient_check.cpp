// A gradient check that says what is wrong and where: the operation's rule lacks a square.
#include <unroll/unroll.h>

#include <iostream>

namespace {

using namespace unroll;

constexpr CustomOp<1> squash{
    .name = "squash",
    .forward = [](const auto& in) { return tanh(in[0]); },
    .derivative =
        [](const auto& saved, const Tensor& dy) {
          return std::array{dy * (1.0 - saved.output())};  // needed: 1 - y²
        },
    .saves = Saves::output};

struct Cell : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;
  };
  struct State {
    Tensor h;
  };
  explicit Cell(Options o) : options(o) {}
  const Options options;
  nn::Parameter Wx{*this, "Wx", {options.input, options.hidden}, init::xavier()};
  nn::Parameter Wh{*this, "Wh", {options.hidden, options.hidden}, init::orthogonal()};

  Tensor project(const Tensor& x) const { return matmul(x, Wx); }
  State step(const Tensor& p, const State& s) const { return {.h = squash(affine(s.h, Wh, p))}; }
};

}  // namespace

int main() {
  nn::Recurrent<Cell> layer({.input = 3, .hidden = 4});
  layer.to(f64);
  Rng rng(1);
  const Tensor x = normal({6, 2, 3}, 0, 1, rng).to(f64);  // [T, B, F]

  const GradcheckReport report = gradcheck(layer, [&] { return mean(square(layer(x).outputs)); });
  std::cout << report << '\n';
  const auto says = [&](const char* what) {
    return report.explanation().find(what) != std::string::npos;
  };
  return !report && says("operation squash") && says("0.forward, t=0") ? 0 : 1;
}
