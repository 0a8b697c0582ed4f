#pragma once

#include <unroll/unroll.h>

#include <algorithm>

// Mean loss in nats a character over a text that was not learnt, the state carried from window to
// window. No tape: nothing is recorded and no dropout acts.
template <class Model>
double validate(const Model& model, const unroll::nn::Text& text,
                const unroll::nn::WindowOptions& o) {
  const unroll::Index longest = (text.size() - 1) / 2;
  unroll::nn::Windows windows =
      text.windows({.batch = std::min(o.batch, std::max<unroll::Index>(1, longest / o.steps)),
                    .steps = std::min(o.steps, longest)});
  typename Model::State state;
  double sum = 0;
  while (auto window = windows.next()) {
    auto out = model(window->inputs, state);
    sum += unroll::cross_entropy(out.logits, window->targets).item();
    state = out.state;
  }
  return sum / static_cast<double>(windows.size());
}
