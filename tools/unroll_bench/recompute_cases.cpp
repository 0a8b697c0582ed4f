// A long sequence through an LSTM, with and without recomputation: [4096, 32, 256], hidden 256.
#include <unroll/unroll.h>

#include <memory>

#include "cases.h"

using namespace unroll;

namespace {

Case long_lstm(const std::string& name, const nn::LSTM::Options& options, bool train) {
  constexpr Index steps = 4096, batch = 32;
  auto lstm = std::make_shared<nn::LSTM>(options);
  const Tensor x = uniform({steps, batch, options.input}, -1, 1);
  const Tensor upstream = uniform({steps, batch, options.hidden}, -1, 1);
  return {.name = name, .unit = "ms", .memory = true, .call = [lstm, x, upstream, train] {
            if (!train) {
              (*lstm)(x);
              return;
            }
            Tape tape;
            const Tensor y = (*lstm)(x).outputs;
            const Gradients grads = tape.backward(y, {.upstream = upstream});
            static_cast<void>(grads);
          }};
}

}  // namespace

std::vector<std::pair<std::string, Maker>> recompute_cases() {
  std::vector<std::pair<std::string, Maker>> made;
  const auto add = [&](Index layers, const std::string& schedule, Index every, Index bytes) {
    const std::string name = "recompute/" + std::to_string(layers) + "-layer-" + schedule;
    const nn::LSTM::Options options{.input = 256,
                                    .hidden = 256,
                                    .layers = layers,
                                    .recompute_every = every,
                                    .recompute_bytes = bytes};
    made.emplace_back(name, [=](bool train) { return long_lstm(name, options, train); });
  };
  for (const Index layers : {1, 2}) {
    add(layers, "none", 0, 0);
    for (const Index every : {16, 64, 256}) add(layers, std::to_string(every), every, 0);
    for (const Index mib : {64, 256}) add(layers, std::to_string(mib) + "-mib", 0, mib << 20);
  }
  return made;
}
