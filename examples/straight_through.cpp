// A straight-through estimator (Bengio, Léonard and Courville 2013): the forward pass goes through
// a step, which has no useful derivative, the backward pass as if it were not there. Trains a
// network whose hidden units are -1 or 1 on exclusive or; expected: all four answers right.
#include <unroll/unroll.h>

#include <cstdio>

using namespace unroll;

// sign(x), with the gradient of clamp(x, -1, 1).
inline constexpr CustomOp<1> binarize{
    .name = "binarize",
    .forward =
        [](const auto& in) {
          return where(in[0] >= 0.0, ones_like(in[0]), full(in[0].shape(), -1, in[0].dtype()));
        },
    .derivative =
        [](const auto& saved, const Tensor& dy) {
          return std::array{where(abs(saved.inputs[0]) <= 1.0, dy, zeros_like(dy))};
        },
    .saves = Saves::inputs,
};

int main() {
  seed(3);
  const Tensor x = tensor({{-1.0, -1.0}, {-1.0, 1.0}, {1.0, -1.0}, {1.0, 1.0}});
  const Tensor y = tensor({0.0, 1.0, 1.0, 0.0});
  nn::Linear hidden({.input = 2, .output = 16});
  nn::Linear head({.input = 16, .output = 1});
  optim::Adam adam(hidden.parameters(), {.lr = 0.02});
  adam.add(head.parameters(), {.lr = 0.02});
  Tensor answer;
  for (int step = 0; step < 300; ++step) {
    Tape tape;
    const Tensor units = binarize(hidden(x));
    const Tensor logits = reshape(head(units), {4});
    adam.step(tape.backward(binary_cross_entropy(logits, y)));
    answer = where(logits > 0.0, ones_like(y), zeros_like(y));
    if (!all_equal(abs(units), ones_like(units))) return 1;
  }
  std::printf("exclusive or of the four corners: %g %g %g %g\n", select(answer, 0, 0).item(),
              select(answer, 0, 1).item(), select(answer, 0, 2).item(),
              select(answer, 0, 3).item());
  return all_equal(answer, y) ? 0 : 1;
}
