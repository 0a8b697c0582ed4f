// The two first recurrent networks. Elman 1990 feeds the hidden layer back:
//   h_t = tanh(W_xh x_t + W_hh h_{t-1} + b_h),  y_t = σ(W_hy h_t + b_y)
// Jordan 1986 feeds the output back:
//   h_t = tanh(W_xh x_t + W_yh y_{t-1} + b_h),  y_t = σ(W_hy h_t + b_y)
// Both learn to tell at every step whether the ones so far are odd in number, on sequences of 12
// bits, and are asked about sequences of 40; expected: at least 99 of 100 answers are right.
#include <unroll/unroll.h>

#include <cstdio>

#include <CLI/CLI.hpp>

using namespace unroll;

// [elman]
struct Elman : nn::Module {
  struct Options {
    Index input = 0, hidden = 0, output = 0;
  };
  explicit Elman(Options o) : options(o) {}
  const Options options;
  nn::Child<nn::RNN> rnn{*this, "rnn", {.input = options.input, .hidden = options.hidden}};
  nn::Child<nn::Linear> head{*this, "head", {.input = options.hidden, .output = options.output}};

  Tensor operator()(const Tensor& x) const { return sigmoid(head(rnn(x).outputs)); }
};
// [/elman]

// [jordan]
struct JordanCell : nn::Module {
  struct Options {
    Index input = 0, hidden = 0;  // of y_t, which the layer calls hidden; units between
    Index units = 16;
  };
  struct State {
    Tensor y;
  };
  explicit JordanCell(Options o) : options(o) {}
  const Options options;
  const Index n = options.units;
  nn::Parameter Wx{*this, "Wx", {options.input, n}, init::xavier()};
  nn::Parameter Wy{*this, "Wy", {options.hidden, n}, init::xavier()};
  nn::Parameter b{*this, "b", {n}, init::zeros()};
  nn::Child<nn::Linear> head{*this, "head", {.input = n, .output = options.hidden}};

  Tensor project(const Tensor& x) const { return affine(x, Wx, b); }
  State step(const Tensor& p, const State& s) const {
    return {.y = sigmoid(head(tanh(affine(s.y, Wy, p))))};
  }
  Tensor output(const State& s) const { return s.y; }
};
static_assert(nn::Cell<JordanCell>);
// [/jordan]

struct Jordan : nn::Module {
  nn::Child<nn::Recurrent<JordanCell>> layer{*this, "layer", {.input = 1, .hidden = 1}};

  Tensor operator()(const Tensor& x) const { return layer(x).outputs; }
};

struct Bits {
  Tensor x;    // [T, B, 1], 0 or 1
  Tensor odd;  // [T, B, 1], 1 where the ones up to here are odd in number
};

Bits draw(Index steps, Index batch, Rng& rng) {
  std::vector<float> x, odd(static_cast<std::size_t>(steps * batch));
  for (std::size_t i = 0; i < odd.size(); ++i) {
    x.push_back(static_cast<float>(rng.below(2)));
    const bool before =
        i >= static_cast<std::size_t>(batch) && odd[i - static_cast<std::size_t>(batch)] > 0.5F;
    odd[i] = before != (x[i] > 0.5F) ? 1.0F : 0.0F;
  }
  const Shape shape{steps, batch, 1};
  return {.x = from(std::span<const float>(x), shape),
          .odd = from(std::span<const float>(odd), shape)};
}

// How many of 100 answers are right.
template <class Model>
double percentage(const Model& model, const Bits& bits) {
  const Tensor error = abs(model(bits.x) - bits.odd);
  Index right = 0;
  for (const float e : error.span<float>()) right += e < 0.5F;
  return 100.0 * static_cast<double>(right) / static_cast<double>(error.size());
}

template <class Model>
bool learns(const char* name, const Model& model, Index most) {
  Rng rng(2);
  const Bits asked = draw(40, 64, rng);
  optim::Adam adam(model.parameters(), {.lr = 1e-2});
  double right = 0;
  for (Index step = 1; step <= most; ++step) {
    const Bits bits = draw(12, 64, rng);
    Tape tape;
    Tensor loss = mean(square(model(bits.x) - bits.odd));
    adam.step(tape.backward(loss), {.clip_norm = 1});
    if (step % 100 != 0) continue;
    right = percentage(model, asked);
    if (right >= 99) {
      std::printf("%-6s  %.1f %% right after %lld steps\n", name, right,
                  static_cast<long long>(step));
      return true;
    }
  }
  std::printf("%-6s  %.1f %% right after %lld steps: not enough\n", name, right,
              static_cast<long long>(most));
  return false;
}

int main(int argc, char** argv) {
  Index most = 20000;
  CLI::App app("Trains an Elman and a Jordan network on the parity of bits");
  app.add_option("--most", most, "give up after so many training steps")->capture_default_str();
  CLI11_PARSE(app, argc, argv);

  seed(1);
  const Elman elman({.input = 1, .hidden = 16, .output = 1});
  const Jordan jordan;
  const bool first = learns("Elman", elman, most);
  const bool second = learns("Jordan", jordan, most);
  return first && second ? 0 : 1;
}
