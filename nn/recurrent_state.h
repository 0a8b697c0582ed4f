#pragma once

#include <unroll/autograd/detail/state_names.h>
#include <unroll/autograd/state.h>
#include <unroll/nn/learned_state.h>
#include <unroll/nn/recurrent_support.h>

#include <span>
#include <string>
#include <vector>

namespace unroll::nn {

// States of a layer's cells, by name: state.forward[layer], state.backward[layer]. Empty: initial
// states.
template <class S>
struct RecurrentState {
  std::vector<S> forward = {};
  std::vector<S> backward = {};
};

namespace detail {

template <class S>
void check_initial_state(const char* kind, const char* direction, const std::vector<S>& states,
                         InitialTensor needed, std::span<const Shape> shapes) {
  for (std::size_t layer = 0; layer < states.size(); ++layer) {
    std::size_t number = 0;
    for_each_tensor(states[layer], [&](const Tensor& x) {
      needed.row = number < shapes.size() ? &shapes[number] : nullptr;
      if (!x.defined() || x.header()->tape != 0 || !needed.fits(x)) {
        std::vector<std::string> names;
        unroll::detail::append_names(
            states[layer], std::string("initial.") + direction + "[" + std::to_string(layer) + "]",
            names);
        check_initial(kind, names[number], x, needed);
      }
      ++number;
    });
  }
}

// Where a row has ended its state stays what it was.
template <class S>
S keep_ended(const Lengths& lengths, Index step, S next, const S& before) {
  if (lengths.all_valid(step)) return next;
  std::vector<const Tensor*> old;
  for_each_tensor(before, [&](const Tensor& x) { old.push_back(&x); });
  std::size_t i = 0;
  for_each_tensor(next, [&](Tensor& x) {
    x = lengths.choose(step, x, *old.at(i));
    ++i;
  });
  return next;
}

}  // namespace detail

}  // namespace unroll::nn
