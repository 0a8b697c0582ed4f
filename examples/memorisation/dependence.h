#pragma once

#include <unroll/unroll.h>

#include <string>
#include <vector>

#include "char_model.h"

// What the predictions along a passage depend on.
struct Dependence {
  std::string cell;
  double nats = 0;                    // validation loss of the model
  std::vector<std::string> expected;  // likeliest next character at each position
  // norms[t][s] = ‖∂ logit of expected[t] / ∂ embedding of character s‖₂, s = 0 … t
  std::vector<std::vector<double>> norms;

  // The mean distance t - s, weighted with the norms.
  double reach() const;
  // The mean share that characters at each distance 0, 1, … have of a prediction's dependence.
  std::vector<double> by_distance() const;
};

// Of a trained model, over the characters ids i64 [T]. One reverse pass for each position.
template <class Layer>
Dependence dependence(const CharModel<Layer>& model, const unroll::nn::Text& text,
                      const unroll::Tensor& ids) {
  using namespace unroll;
  const Index steps = ids.size();
  Dependence d;
  Tape tape({.training = false});
  const Tensor x = tape.watch(detach(model.embed(reshape(ids, {steps, 1}))));  // [T, 1, E]
  const Tensor logits = model.head(model.layer(x).outputs);                    // [T, 1, V]
  for (Index t = 0; t < steps; ++t) {
    const Tensor at = select(select(logits, 0, t), 0, 0);  // [V]
    const Index likeliest = argmax(detach(at), 0).item<Index>();
    d.expected.push_back(text.decode(tensor({likeliest})));
    const Tensor slope = tape.gradient(select(at, 0, likeliest), x);  // [T, 1, E]
    const Tensor norms = sqrt(sum(square(slope), {-2, -1}));          // [T]
    const auto values = norms.span<float>();
    std::vector<double> row(values.begin(), values.end());
    for (Index s = t + 1; s < steps; ++s)
      if (row[static_cast<std::size_t>(s)] != 0)
        throw std::runtime_error("a prediction depends on what comes after it");
    row.resize(static_cast<std::size_t>(t) + 1);
    d.norms.push_back(std::move(row));
  }
  return d;
}
