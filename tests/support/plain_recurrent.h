#pragma once

#include <unroll/unroll.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "support/numeric.h"

// Recurrent layers of one direction, element by element in long double as the textbook writes them,
// and their gradients by differences: an oracle that shares nothing with the library.
namespace unroll::test {

using Numbers = std::vector<long double>;

struct PlainNetwork {
  enum class Kind { rnn_tanh, rnn_relu, lstm, gru };
  Kind kind = Kind::lstm;
  Index steps = 0, batch = 0, input = 0, hidden = 0, layers = 1;
  // "x" [T, B, input], parameters by path, "h0" and "c0" [layers, B, hidden]; no bias and no state
  // stand for 0.
  std::map<std::string, Numbers> values = {};
  std::vector<Numbers> masks = {};  // [T, B, hidden] between layers, factors; none: no dropout
};

struct PlainOutput {
  Numbers outputs;  // [T, B, hidden]
  Numbers h, c;     // [layers, B, hidden]; c of an LSTM only
};
PlainOutput run(const PlainNetwork& network);

using PlainLoss = std::function<long double(const PlainOutput&)>;
// d loss / d values[name], by central differences extrapolated twice.
Tensor plain_gradient(const PlainNetwork& network, const std::string& name, const Shape& shape,
                      const PlainLoss& loss);

Numbers plain(const Tensor& x);
Tensor tensor_of(const Numbers& x, const Shape& shape);

// What a layer of the library computes, written plainly. Parameters and x as they are now.
template <class Layer>
PlainNetwork plain_network(PlainNetwork::Kind kind, const Layer& layer, const Tensor& x) {
  PlainNetwork n{.kind = kind,
                 .steps = x.size(0),
                 .batch = x.size(1),
                 .input = x.size(2),
                 .hidden = layer.options.hidden,
                 .layers = layer.options.layers};
  n.values["x"] = plain(x);
  for (const auto& [path, parameter] : layer.parameters()) n.values[path] = plain(parameter);
  return n;
}

}  // namespace unroll::test
