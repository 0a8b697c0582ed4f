// What second derivatives are good for: an LSTM learns to say the first number of a sequence after
// the last, in steps whose length its own curvature tells. Along the gradient g the loss is, to
// second order, L(t) = L - t g·g + t²/2 g·H·g, least at t = g·g / g·H·g; Jacobians tell how much of
// the first number is still to be seen at the end. Expected: the loss falls to a tenth.
#include <unroll/unroll.h>

#include <cmath>
#include <cstdio>
#include <iostream>

using namespace unroll;

struct Memory : nn::Module {
  nn::Child<nn::LSTM> lstm{*this, "lstm", {.input = 1, .hidden = 8}};
  nn::Child<nn::Linear> head{*this, "head", {.input = 8, .output = 1}};

  Tensor operator()(const Tensor& x) const { return head(lstm(x).state.forward[0].h); }
};

double dot(const Gradients& a, const Gradients& b) {
  double total = 0;
  for (const auto& entry : a) total += sum(entry.dense * b[entry.parameter]).item();
  return total;
}

int main() {
  seed(1);
  Memory model;
  model.to(f64);
  const Tensor x = uniform({6, 16, 1}, -1, 1, f64);  // [T, B, 1]
  const auto loss = [&] { return mean(square(model(x) - select(x, 0, 0))); };
  const auto seen = [&] {  // |∂output/∂x_t| of one sequence, for each t
    return reshape(abs(jacobian(model, slice(x, {.axis = 1, .to = 1}))), {6});
  };

  const double before = loss().item();
  const Tensor seen_before = seen();
  optim::SGD sgd(model.parameters(), {.lr = 1});
  double predicted = 0, fell = 0;
  for (int step = 0; step < 200; ++step) {
    const double now = loss().item();
    const Gradients g = gradient(model, loss);
    const double slope = dot(g, g);
    const double bend = dot(g, hvp(model, loss, g));
    const double length = bend > 0 ? slope / bend : 1;
    sgd.set_lr(length);
    sgd.step(g);
    if (step == 0) {
      predicted = length * slope - length * length / 2 * bend;
      fell = now - loss().item();
    }
    if (step % 40 == 0) std::printf("step %3d  loss %.5f  length %.2f\n", step, now, length);
  }
  std::printf("first step: the loss fell by %.5f, predicted %.5f\n", fell, predicted);
  std::cout << "weight of each number before " << seen_before << "\nand after " << seen() << '\n';
  const double after = loss().item();
  std::printf("loss %.5f, at first %.5f\n", after, before);
  const bool remembers = seen().span<double>()[0] > 4 * seen_before.span<double>()[0];
  return after < before / 10 && std::abs(fell / predicted - 1) < 0.2 && remembers ? 0 : 1;
}
