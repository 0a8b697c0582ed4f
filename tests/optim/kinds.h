#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "optim/model.h"

namespace unroll::test {

// Every optimiser that steps by gradients, with options that use all of its rule.
struct Kind {
  std::string name;
  std::function<std::unique_ptr<optim::Optimizer>(const ParameterList&, optim::Sparse)> make;
  bool changes_all = true;  // a gradient of zero changes a row that had others
  bool squares = true;      // gradients
  std::string moments = {};
};

template <class Optimizer>
auto maker(typename Optimizer::Options options) {
  return [options](const ParameterList& parameters,
                   optim::Sparse sparse) mutable -> std::unique_ptr<optim::Optimizer> {
    options.sparse = sparse;
    return std::make_unique<Optimizer>(parameters, options);
  };
}

inline std::vector<Kind> kinds() {
  using namespace optim;
  return {
      {"sgd", maker<SGD>({}), false, false, ""},
      {"momentum", maker<SGD>({.momentum = 0.9, .dampening = 0.5}), true, false, "momentum"},
      {"nesterov", maker<SGD>({.momentum = 0.9, .nesterov = true}), true, false, "momentum"},
      {"decay", maker<SGD>({.weight_decay = 0.1}), true, false, ""},
      {"adam", maker<Adam>({}), true, true, "first second"},
      {"adam with decay", maker<Adam>({.weight_decay = 0.1}), true, true, "first second"},
      {"amsgrad", maker<Adam>({.amsgrad = true}), true, true, "first second largest"},
      {"adamw", maker<AdamW>({}), true, true, "first second"},
      {"adamw amsgrad", maker<AdamW>({.amsgrad = true}), true, true, "first second largest"},
      {"nadam", maker<NAdam>({.weight_decay = 0.1}), true, true, "first second"},
      {"radam", maker<RAdam>({.beta2 = 0.8, .weight_decay = 0.1}), true, true, "first second"},
      {"adamax", maker<Adamax>({.weight_decay = 0.1}), true, false, "first largest"},
      {"rmsprop", maker<RMSprop>({}), false, true, "second"},
      {"rmsprop centred", maker<RMSprop>({.weight_decay = 0.1, .centred = true}), true, true,
       "second mean"},
      {"rmsprop momentum", maker<RMSprop>({.momentum = 0.9}), true, true, "second momentum"},
      {"rmsprop both", maker<RMSprop>({.momentum = 0.9, .centred = true}), true, true,
       "second mean momentum"},
      {"adagrad", maker<Adagrad>({.lr_decay = 0.1, .initial = 0.2}), false, true, "sum"},
      {"adagrad with decay", maker<Adagrad>({.weight_decay = 0.1}), true, true, "sum"},
      {"adadelta", maker<Adadelta>({}), false, true, "second change"},
      {"adadelta with decay", maker<Adadelta>({.weight_decay = 0.1}), true, true, "second change"},
      {"lion", maker<Lion>({.weight_decay = 0.1}), true, false, "momentum"},
  };
}

}  // namespace unroll::test
