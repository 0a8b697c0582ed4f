#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/matmul.h>
#include <unroll/nn/gated_cell.h>
#include <unroll/nn/normalization.h>

namespace unroll::nn {

GatedCell::GatedCell(const Sizes& sizes, const First& first)
    : Wx(*this, "Wx", {checked(sizes).input, sizes.gates * sizes.hidden},
         init::per_block(sizes.gates, first.input)),
      Wh(*this, "Wh",
         {sizes.recurrent == 0 ? sizes.hidden : sizes.recurrent, sizes.gates * sizes.hidden},
         init::per_block(sizes.gates, first.recurrent)) {
  const Shape shape{sizes.gates * sizes.hidden};
  if (sizes.biases >= 1) b.emplace(*this, "b", shape, first.bias);
  if (sizes.biases == 2) b_recurrent.emplace(*this, "b_recurrent", shape, init::zeros());
}

auto GatedCell::checked(const Sizes& s) -> const Sizes& {
  require_size(s.kind, "input", s.input, s.hint);
  require_size(s.kind, "hidden", s.hidden, s.hint);
  const auto needs = [&](const char* name, Index given, const char* needed) {
    fail_nowhere(s.kind, {.given = std::string(name) + " is " + std::to_string(given),
                          .needed = needed,
                          .hint = {}});
  };
  if (s.biases < 0 || s.biases > 2) needs("biases", s.biases, "0, 1 or 2");
  if (s.recurrent < 0) needs("projection", s.recurrent, "the size of h, or 0 for none");
  return s;
}

Tensor GatedCell::project(const Tensor& x, const RecurrentWeights& w) const {
  return project_input(x, w, b_recurrent ? *b + *b_recurrent : detail::or_undefined(b));
}

Tensor GatedCell::project_input(const Tensor& x, const RecurrentWeights& w,
                                const Tensor& bias) const {
  if (w.norm_input != nullptr) {
    const Tensor y = (*w.norm_input)(matmul(x, Wx));
    return bias.defined() ? y + bias : y;
  }
  return bias.defined() ? affine(x, Wx, bias) : matmul(x, Wx);
}

std::array<RecurrentWeights, 2> GatedCell::split_last(Index hidden) const {
  const auto [others, last] = split(Wh, {Wh.size(1) - hidden, hidden}, 1);
  return {RecurrentWeights{.Wh = others}, RecurrentWeights{.Wh = last}};
}

}  // namespace unroll::nn
