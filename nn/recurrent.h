#pragma once

#include <unroll/autograd/detail/padded_weights.h>
#include <unroll/autograd/ops/dropout.h>
#include <unroll/autograd/ops/join.h>
#include <unroll/nn/cell.h>
#include <unroll/nn/recurrent_support.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace unroll::nn {

// States of a layer's cells, by name: state.forward[layer], state.backward[layer]. Empty: initial
// states.
template <class S>
struct RecurrentState {
  std::vector<S> forward = {};
  std::vector<S> backward = {};
};

// The lifter: makes a layer of any cell. Runs it over time, stacks layers, runs a second direction
// and joins both, so that back-propagation through time falls out of the steps it records.
//   nn::Recurrent<PeepholeCell> layer({.input = 64, .hidden = 128, .layers = 2, .bidirectional =
//   true}); auto out = layer(x, {.initial = state, .lengths = lengths});
// Parameters are named "0.forward.Wx", "1.backward.b": layer, direction, name in the cell.
template <Cell C>
class Recurrent : public Module {
 public:
  struct Options {
    Index input = 0;
    Index hidden = 0;
    Index layers = 1;
    bool bidirectional = false;  // outputs of both directions side by side: 2 · hidden
    double dropout = 0;          // between layers
    typename C::Options cell = {};
  };
  using State = RecurrentState<typename C::State>;

  struct Call {
    State initial = {};
    std::span<const Index> lengths = {};  // of each row, in 0 … T, any order; none: all are T
  };
  struct Output {
    Tensor outputs;  // [T, B, hidden or 2 · hidden]; exactly 0 at padded steps
    State state;     // after the last valid step; backward after step 0
  };

  explicit Recurrent(Options o) : options(checked(std::move(o))) {
    for (Index i = 0; i < options.layers; ++i) {
      layers_.push_back(std::make_unique<Layer>(cell_options(i), options.bidirectional));
      adopt(*layers_.back(), std::to_string(i));
    }
  }

  // x [T, B, input], time-major. What padding holds changes nothing, and adds exactly 0 to every
  // gradient.
  Output operator()(const Tensor& x) const { return (*this)(x, Call{}); }
  Output operator()(const Tensor& x, const Call& call) const;

  const C& cell(Index layer) const {
    return layers_[detail::checked_position("layer", layer, options.layers)]->forward;
  }
  C& cell(Index layer) {
    return layers_[detail::checked_position("layer", layer, options.layers)]->forward;
  }

  const Options options;

 private:
  struct Layer : Module {
    Layer(const typename C::Options& o, bool bidirectional) : forward(*this, "forward", o) {
      if (bidirectional) backward = std::make_unique<Child<C>>(*this, "backward", o);
    }
    Child<C> forward;
    std::unique_ptr<Child<C>> backward;
  };
  struct Run {
    Tensor outputs;
    typename C::State state;
  };

  static constexpr const char* kind() {
    if constexpr (requires { C::kind; })
      return C::kind;
    else
      return "recurrent";
  }
  static constexpr const char* hint() {
    if constexpr (requires { C::layer_hint; })
      return C::layer_hint;
    else
      return "nn::Recurrent<Cell> layer({.input = 65, .hidden = 128})";
  }
  static Options checked(Options o) {
    require_size(kind(), "input", o.input, hint());
    require_size(kind(), "hidden", o.hidden, hint());
    require_size(kind(), "layers", o.layers, hint());
    if (!(o.dropout >= 0 && o.dropout < 1))
      fail_nowhere(kind(), {.given = "dropout " + std::to_string(o.dropout),
                            .needed = "0 <= dropout < 1",
                            .hint = {}});
    return o;
  }
  typename C::Options cell_options(Index layer) const {
    typename C::Options o = options.cell;
    const Index below = options.hidden * (options.bidirectional ? 2 : 1);
    if (layer == 0) detail::set_size(kind(), "input", o.input, options.input);
    o.input = layer == 0 ? options.input : below;
    detail::set_size(kind(), "hidden", o.hidden, options.hidden);
    return o;
  }
  State starting_state(const State& given, Index batch) const;
  Run run(const C& cell, const Tensor& x, const typename C::State& initial,
          const detail::Lengths& lengths, bool reversed) const;

  std::vector<std::unique_ptr<Layer>> layers_;
};

namespace detail {

// The name of a tensor in a state: fields h and c by name, others by number.
template <class S>
std::string field_name(const S& state, const Tensor* x, Index number) {
  if constexpr (requires {
                  { state.h } -> std::convertible_to<const Tensor&>;
                })
    if (static_cast<const Tensor*>(&state.h) == x) return ".h";
  if constexpr (requires {
                  { state.c } -> std::convertible_to<const Tensor&>;
                })
    if (static_cast<const Tensor*>(&state.c) == x) return ".c";
  return "." + std::to_string(number);
}

template <class S>
void check_initial_state(const char* kind, const char* direction, const std::vector<S>& states,
                         const InitialTensor& needed) {
  for (std::size_t layer = 0; layer < states.size(); ++layer) {
    Index number = 0;
    for_each_tensor(states[layer], [&](const Tensor& x) {
      if (x.defined() && x.header()->tape == 0 && needed.fits(x)) {
        ++number;
        return;
      }
      check_initial(kind,
                    std::string("initial.") + direction + "[" + std::to_string(layer) + "]" +
                        field_name(states[layer], &x, number++),
                    x, needed);
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

template <Cell C>
auto Recurrent<C>::starting_state(const State& given, Index batch) const -> State {
  const std::size_t directions = options.bidirectional ? 2 : 1;
  State state = given;
  if (directions == 1 && !given.backward.empty())
    detail::check_state_size(kind(), "backward", given.backward.size(), 0);
  for (std::size_t d = 0; d < directions; ++d) {
    auto& states = d == 0 ? state.forward : state.backward;
    const char* direction = d == 0 ? "forward" : "backward";
    if (states.empty()) {
      for (const auto& layer : layers_)
        states.push_back(initial_state<C>(d == 0 ? layer->forward : *layer->backward, batch));
      continue;
    }
    detail::check_state_size(kind(), direction, states.size(), options.layers);
    constexpr bool plain = requires { C::kind; }
    || !requires(const C& c) { c.initial_state(batch); };
    detail::check_initial_state(
        kind(), direction, states,
        {.batch = batch, .hidden = plain ? options.hidden : -1, .dtype = cell(0).dtype()});
  }
  return state;
}

template <Cell C>
auto Recurrent<C>::operator()(const Tensor& x, const Call& call) const -> Output {
  detail::check_sequence(x);
  State state = starting_state(call.initial, x.size(1));
  const Scope here(*this);
  const detail::Lengths lengths =
      call.lengths.empty() && x.size(1) != 0 ? detail::Lengths() : detail::Lengths(call.lengths, x);
  const unroll::detail::KeepWeights keep;
  Tensor y = lengths.zero_padded(x);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    if (i > 0 && is_training()) y = dropout(y, options.dropout);
    const Layer& layer = *layers_[i];
    Run forward = run(layer.forward, y, state.forward[i], lengths, false);
    state.forward[i] = std::move(forward.state);
    if (layer.backward == nullptr) {
      y = std::move(forward.outputs);
    } else {
      Run backward = run(*layer.backward, y, state.backward[i], lengths, true);
      state.backward[i] = std::move(backward.state);
      y = concat({forward.outputs, backward.outputs}, -1);
    }
  }
  return {.outputs = std::move(y), .state = std::move(state)};
}

template <Cell C>
auto Recurrent<C>::run(const C& cell, const Tensor& x, const typename C::State& initial,
                       const detail::Lengths& lengths, bool reversed) const -> Run {
  const Scope here(cell);
  const Index steps = x.size(0);
  typename C::State state = initial;
  const auto begun = detail::begin_cell(cell, x.size(1));
  Tensor projected = x;
  if constexpr (HasProject<C>) {
    const TimeStep first(0);
    projected = cell.project(x);
  }
  std::vector<Tensor> outputs(static_cast<std::size_t>(steps));
  Tensor nothing;  // the output of a step at which no row is valid
  for (Index i = 0; i < steps; ++i) {
    const Index t = reversed ? steps - 1 - i : i;
    Tensor& out = outputs[static_cast<std::size_t>(t)];
    if (lengths.none_valid(t)) {
      if (!nothing.defined()) nothing = zeros_like(output(cell, state));
      out = nothing;
      continue;
    }
    const TimeStep at(t);
    state =
        detail::keep_ended(lengths, t, step(cell, select(projected, 0, t), state, begun), state);
    out = lengths.choose(t, output(cell, state));
  }
  if (steps == 0) {
    const Tensor like = output(cell, state);
    return {.outputs = zeros_like(like, like.shape().inserted(0, 0)), .state = std::move(state)};
  }
  return {.outputs = stack(outputs, 0), .state = std::move(state)};
}

}  // namespace unroll::nn
