// Gradient reversal (Ganin and Lempitsky 2015): the identity, whose gradient is turned round and
// scaled. Points carry a label in their first coordinate and the domain that they come from in
// their second. A head that must tell the domain sees the features through the reversal, so that
// these lose the domain and keep the label. Expected: labels are told, domains are guessed.
#include <unroll/unroll.h>

#include <cstdio>

using namespace unroll;

struct Strength {
  double lambda = 1;
};
inline constexpr CustomOp<1, Strength> reverse_gradient{
    .name = "reverse_gradient",
    .forward = [](const auto& in, const Strength&) { return in[0]; },
    .derivative = [](const auto&, const Tensor& dy,
                     const Strength& s) { return std::array{-s.lambda * dy}; },
};

struct Model : nn::Module {
  nn::Child<nn::Linear> features{*this, "features", {.input = 2, .output = 2}};
  nn::Child<nn::Linear> label{*this, "label", {.input = 2, .output = 1}};
  nn::Child<nn::Linear> domain{*this, "domain", {.input = 2, .output = 1}};
};

double accuracy(const Tensor& logits, const Tensor& truth) {
  return mean(where(logits > 0.0, truth, 1.0 - truth)).item();
}

int main() {
  seed(1);
  Rng rng(2);
  const Tensor points = uniform({512, 2}, -1, 1, rng);
  const auto bit = [&](Index coordinate) {
    const Tensor at = slice(points, {.axis = 1, .from = coordinate, .to = coordinate + 1});
    return where(at > 0.0, ones_like(at), zeros_like(at));
  };
  const Tensor label = bit(0), domain = bit(1);

  Model model;
  optim::Adam adam(model.parameters(), {.lr = 0.02});
  double label_accuracy = 0, domain_accuracy = 0;
  for (int step = 0; step < 500; ++step) {
    Tape tape;
    const Tensor seen = tanh(model.features(points));
    const Tensor of_label = model.label(seen);
    const Tensor of_domain = model.domain(reverse_gradient(seen, {.lambda = 2}));
    adam.step(tape.backward(binary_cross_entropy(of_label, label) +
                            binary_cross_entropy(of_domain, domain)));
    label_accuracy = accuracy(of_label, label);
    domain_accuracy = accuracy(of_domain, domain);
  }
  std::printf("label %.2f, domain %.2f\n", label_accuracy, domain_accuracy);
  return label_accuracy > 0.9 && domain_accuracy < 0.7 ? 0 : 1;
}
