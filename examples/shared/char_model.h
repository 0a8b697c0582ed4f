#pragma once

#include <unroll/unroll.h>

// Characters in, logits of the next character out, over a recurrent layer of any kind.
template <class Layer>
struct CharModel : unroll::nn::Module {
  struct Options {
    unroll::Index vocab = 0, hidden = 128, layers = 2;
    double dropout = 0;
  };
  using State = typename Layer::State;
  struct Output {
    unroll::Tensor logits;
    State state;
  };

  explicit CharModel(Options o) : options(o) {}
  const Options options;
  unroll::nn::Child<unroll::nn::Embedding> embed{
      *this, "embed", {.count = options.vocab, .size = options.hidden}};
  unroll::nn::Child<Layer> layer{*this,
                                 "layer",
                                 {.input = options.hidden,
                                  .hidden = options.hidden,
                                  .layers = options.layers,
                                  .dropout = options.dropout}};
  unroll::nn::Child<unroll::nn::Dropout> drop{*this, "drop", {.rate = options.dropout}};
  unroll::nn::Child<unroll::nn::Linear> head{
      *this, "head", {.input = options.hidden, .output = options.vocab}};

  Output operator()(const unroll::Tensor& ids, const State& state) const {  // ids i64 [T, B]
    auto out = layer(embed(ids), {.initial = state});
    return {.logits = head(drop(out.outputs)), .state = out.state};  // [T, B, V]
  }
};
