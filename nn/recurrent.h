#pragma once

#include <unroll/autograd/detail/padded_weights.h>
#include <unroll/autograd/detail/state_notes.h>
#include <unroll/autograd/ops/arithmetic.h>
#include <unroll/autograd/ops/dropout.h>
#include <unroll/autograd/ops/join.h>
#include <unroll/autograd/pool.h>
#include <unroll/autograd/recompute.h>
#include <unroll/nn/cell.h>
#include <unroll/nn/learned_state.h>
#include <unroll/nn/linear.h>
#include <unroll/nn/recompute_schedule.h>
#include <unroll/nn/recurrent_state.h>

#include <memory>
#include <optional>
#include <vector>

namespace unroll::nn {

// How the outputs of two directions become one.
enum class Join { concat, sum };

// What goes around every layer from the second on. With x its input and y its output:
//   residual   x + y; He et al. 2016
//   highway    t y + (1 - t) x with t = σ(x·W + b), b from -1; Srivastava et al. 2015
enum class Skip { none, residual, highway };

// The lifter: makes a layer of any cell. Runs it over time, stacks layers, runs a second direction
// and joins both, so that back-propagation through time falls out of the steps it records.
//   nn::Recurrent<PeepholeCell> layer({.input = 64, .hidden = 128, .layers = 2});
//   auto out = layer(x, {.initial = state, .lengths = lengths});
// Parameters are named "0.forward.Wx", "1.backward.b": layer, direction, name in the cell; beside
// them "0.forward_initial.h", "1.highway.W" where the options ask for such.
//
// Recomputation: with .recompute_every = k a layer keeps states between segments of k steps and
// makes what the steps saved once more for the gradient, one segment at a time; <recompute.h>.
// Gradients are bit-equal, also with dropout of any kind; time grows by about a forward pass. Of R
// runs (layers · directions) over T steps, with V bytes saved by a step, S in a state and O in an
// output, the layer holds until the gradient is there
//   without   R T (V + O)
//   with      R T O + R S T / k + k V, least at k = √(R T S / V)
// and beside it the gradient of the outputs, a block (below) of what is projected or its gradient,
// and less than 1 KB a step for the tape. An LSTM has V = 6 U, S = 2 U, O = U with U = 4 B H in f32, a GRU
// V = 7 U, S = O = U; blocks of the pool are up to a quarter larger than what lies in them.
// With .recompute_bytes instead, k is that least one, from what the first block took; as many of
// the last segments as the budget for R S T / k + k V + … allows are kept and not made twice. It
// throws where nothing fits, and says what would.
//
// Sequences are handed to project() in blocks of max(1, 2048 / B) steps, and k is rounded up to a
// multiple of that, where the cell has a project() that treats each step alone, as the library's
// have; elsewhere project() gets the whole sequence, whose result stays as a whole. The model must
// live until the gradient is there.
template <Cell C>
class Recurrent : public Module {
 public:
  struct Options {
    Index input = 0;
    Index hidden = 0;
    Index layers = 1;
    bool bidirectional = false;
    Join join = Join::concat;          // of two directions: as wide as one, or with concat as both
    Skip skip = Skip::none;            // around every layer from the second on
    bool learn_initial = false;        // the states before the first step are parameters
    std::optional<Index> biases = {};  // set for the cell; none: as its own options say
    double dropout = 0;                // between layers, of what a cell gets: none with one layer
    Index recompute_every = 0;         // steps k; 0: all that steps save is kept
    Index recompute_bytes = 0;         // a budget that k is chosen by instead
    typename C::Options cell = {};
  };
  using State = RecurrentState<typename C::State>;

  struct Call {
    State initial = {};
    std::span<const Index> lengths = {};  // of each row, in 0 … T, any order; none: all are T
  };
  struct Output {
    Tensor outputs;  // [T, B, output_size()]; exactly 0 at padded steps
    State state;     // after the last valid step; backward after step 0
  };

  explicit Recurrent(Options o) : options(checked(std::move(o))) {
    for (Index i = 0; i < options.layers; ++i) {
      layers_.push_back(std::make_unique<Layer>(options, cell_options(i), i));
      adopt(*layers_.back(), std::to_string(i));
    }
    if constexpr (fixed_shapes) {
      const auto one = initial_state<C>(cell(0), 1);
      for_each_tensor(one, [&](const Tensor& x) { state_shapes_.push_back(x.shape()); });
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

  // The last extent of the outputs.
  Index output_size() const {
    return nn::output_size<C>(cell(0)) *
           (options.bidirectional && options.join == Join::concat ? 2 : 1);
  }

  const Options options;

 private:
  struct Layer : Module {
    Layer(const Options& o, const typename C::Options& of_cell, Index position)
        : forward(*this, "forward", of_cell) {
      if (o.bidirectional) backward.emplace(*this, "backward", of_cell);
      if (o.learn_initial) {
        forward_initial.emplace(*this, "forward_initial", initial_state<C>(forward, 1));
        if (backward)
          backward_initial.emplace(*this, "backward_initial", initial_state<C>(*backward, 1));
      }
      if (o.skip == Skip::highway && position > 0) {
        highway.emplace(
            *this, "highway",
            Linear::Options{.input = forward.options.input, .output = forward.options.input});
        highway->b->assign(full(highway->b->shape(), -1));
      }
    }
    Child<C> forward;
    std::optional<Child<C>> backward;
    std::optional<LearnedState<typename C::State>> forward_initial, backward_initial;
    std::optional<Child<Linear>> highway;
  };
  struct Run {
    Tensor outputs;
    typename C::State state;
  };
  // What the runs of one call share.
  struct Plan {
    detail::Lengths lengths;
    detail::RecomputeChoice choice;
    Index runs = 1;
    Index block = 1;                                // steps that are projected at once
    std::optional<detail::Segments> segments = {};  // once they are known
  };
  // A run of a cell, ready to make steps: in the order of computation, `from` … `to` - 1.
  struct Steps {
    const C& cell;
    detail::Begun<C> begun;
    detail::Lengths lengths;
    Index block;
    bool reversed;

    struct Made {
      std::vector<Tensor> outputs;
      typename C::State state;
    };
    // `source` is what steps are taken from: the input, or projected as a whole.
    Made make(const Tensor& source, Index from, Index to, const typename C::State& initial) const;
  };

  // A cell of one's own that makes its initial state may make it of any shape.
  static constexpr bool fixed_shapes = requires { C::kind; }
  || !requires(const C& c) { c.initial_state(Index()); };

  static constexpr const char* kind() { return detail::kind_of<C>(); }
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
    detail::require_rate(kind(), "dropout", o.dropout);
    recompute_choice(o).check();
    return o;
  }
  static detail::RecomputeChoice recompute_choice(const Options& o) {
    return {.kind = kind(), .every = o.recompute_every, .bytes = o.recompute_bytes};
  }
  typename C::Options cell_options(Index layer) const {
    typename C::Options o = options.cell;
    if (layer == 0) detail::set_size(kind(), "input", o.input, options.input);
    o.input = layer == 0 ? options.input : output_size();
    detail::set_size(kind(), "hidden", o.hidden, options.hidden);
    if (options.biases && !detail::set_biases(o, *options.biases))
      fail_nowhere(kind(), {.given = "biases is " + std::to_string(*options.biases),
                            .needed = "a cell with such an option",
                            .hint = "leave .biases out"});
    return o;
  }
  State starting_state(const State& given, Index batch) const;
  Tensor skipped(const Layer& layer, const Tensor& x, const Tensor& y,
                 const detail::Lengths& lengths) const;
  Run run(const C& cell, const Tensor& x, const typename C::State& initial, Plan& plan, Index layer,
          bool reversed) const;

  std::vector<std::unique_ptr<Layer>> layers_;
  std::vector<Shape> state_shapes_;  // of a row's state, the same in all layers; none: of any
};

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
      for (const auto& layer : layers_) {
        const auto& learned = d == 0 ? layer->forward_initial : layer->backward_initial;
        const C& cell = d == 0 ? layer->forward : *layer->backward;
        states.push_back(initial_state<C>(cell, batch));
        if (learned) learned->put_into(states.back(), batch);
      }
      continue;
    }
    detail::check_state_size(kind(), direction, states.size(), options.layers);
    detail::check_initial_state(kind(), direction, states,
                                {.batch = batch, .dtype = cell(0).dtype()}, state_shapes_);
  }
  return state;
}

template <Cell C>
auto Recurrent<C>::operator()(const Tensor& x, const Call& call) const -> Output {
  detail::check_sequence(x);
  const Scope here(*this);
  State state = starting_state(call.initial, x.size(1));
  Plan plan{.lengths = call.lengths.empty() && x.size(1) != 0 ? detail::Lengths()
                                                              : detail::Lengths(call.lengths, x),
            .choice = recompute_choice(options),
            .runs = options.layers * (options.bidirectional ? 2 : 1)};
  const detail::Lengths& lengths = plan.lengths;
  if constexpr (HasProject<C> && projects_each_step<C>)
    plan.block = detail::steps_of_block(x.size(1));
  const unroll::detail::KeepWeights keep;
  Tensor y = lengths.zero_padded(x);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = *layers_[i];
    const auto position = static_cast<Index>(i);
    const Tensor below = y;
    if (i > 0 && is_training()) y = dropout(y, options.dropout);
    Run forward = run(layer.forward, y, state.forward[i], plan, position, false);
    state.forward[i] = std::move(forward.state);
    if (!layer.backward) {
      y = std::move(forward.outputs);
    } else {
      Run backward = run(*layer.backward, y, state.backward[i], plan, position, true);
      state.backward[i] = std::move(backward.state);
      y = options.join == Join::concat ? concat({forward.outputs, backward.outputs}, -1)
                                       : forward.outputs + backward.outputs;
    }
    if (i > 0 && options.skip != Skip::none) y = skipped(layer, below, y, lengths);
  }
  return after_forward(Output{.outputs = std::move(y), .state = std::move(state)});
}

template <Cell C>
Tensor Recurrent<C>::skipped(const Layer& layer, const Tensor& x, const Tensor& y,
                             const detail::Lengths& lengths) const {
  if (!layer.highway) return x + y;
  return lengths.zero_padded(detail::highway((*layer.highway)(x), x, y));
}

template <Cell C>
auto Recurrent<C>::Steps::make(const Tensor& source, Index from, Index to,
                               const typename C::State& initial) const -> Made {
  const Index steps = source.size(0);
  Made made{.outputs = {}, .state = initial};
  made.outputs.reserve(static_cast<std::size_t>(to - from));
  Tensor projected;  // what the cell is given, from step `first` on
  if constexpr (!HasProject<C> || !projects_each_step<C>) projected = source;
  Index first = 0;
  Index until = from;  // and up to this one, in the order of computing
  Tensor nothing;      // the output of a step at which no row is valid
  unroll::detail::StateNotes notes;
  for (Index i = from; i < to; ++i) {
    const Index t = reversed ? steps - 1 - i : i;
    if (lengths.none_valid(t)) {
      if (!nothing.defined()) {
        const unroll::detail::WithoutTape quiet;
        nothing = zeros_like(nn::output(cell, made.state));
      }
      made.outputs.push_back(nothing);
      continue;
    }
    if constexpr (HasProject<C> && projects_each_step<C>) {
      if (i >= until) {
        until = detail::end_of_part(i, steps, block);
        first = reversed ? steps - until : i;
        const TimeStep of_block(t);
        projected = nn::project(cell, detail::time_steps(source, first, until - i), begun);
      }
    }
    const TimeStep at(t);
    auto next = detail::after_forward<typename C::State>(
        cell, nn::step(cell, select(projected, 0, t - first), made.state, begun));
    made.state = detail::keep_ended(lengths, t, std::move(next), made.state);
    notes.note(made.state);
    made.outputs.push_back(lengths.choose(t, nn::output(cell, made.state)));
  }
  return made;
}

template <Cell C>
auto Recurrent<C>::run(const C& cell, const Tensor& x, const typename C::State& initial, Plan& plan,
                       Index layer, bool reversed) const -> Run {
  const Scope here(cell);
  unroll::detail::note_run(layer, reversed);
  const Index steps = x.size(0);
  typename C::State state = initial;
  Tensor source;
  const Steps run{.cell = cell,
                  .begun = detail::begin_cell(cell, x.size(1)),
                  .lengths = plan.lengths,
                  .block = plan.block,
                  .reversed = reversed};
  if constexpr (HasProject<C>) {
    const bool fits = x.size(2) == cell.options.input && x.dtype() == cell.dtype();
    if (!projects_each_step<C> || steps == 0 || !fits) {  // an error speaks of the whole sequence
      const TimeStep first(0);
      const Tensor projected = nn::project(cell, x, run.begun);
      if (!projects_each_step<C>) source = projected;
    }
  }
  if (!source.defined()) source = x;
  if (steps == 0) {
    const Tensor like = nn::output(cell, state);
    return {.outputs = zeros_like(like, like.shape().inserted(0, 0)), .state = std::move(state)};
  }
  unroll::detail::Stacking outputs(steps);
  for (Index from = 0; from < steps;) {
    Index to = steps;
    typename Steps::Made made;
    if (!plan.choice.any() || !detail::keeps_for_gradient()) {
      made = run.make(source, from, to, state);
    } else if (!plan.segments && plan.choice.bytes > 0) {
      to = detail::end_of_part(0, steps, plan.block);
      const Index before = detail::saved_bytes();
      made = run.make(source, from, to, state);
      const detail::BlockBytes bytes{.steps = to,
                                     .saved = detail::saved_bytes() - before,
                                     .state = detail::bytes_of(made.state)};
      plan.segments = detail::choose_segments(plan.choice, steps, plan.block, plan.runs, bytes);
    } else {
      if (!plan.segments)
        plan.segments = detail::choose_segments(plan.choice, steps, plan.block, plan.runs, {});
      to = plan.segments->end_of(from);
      const auto make = [run, from, to](const Tensor& all, const typename C::State& s) {
        return run.make(all, from, to, s);
      };
      made = plan.segments->recomputes(from) ? recompute(make, source, state) : make(source, state);
    }
    for (Index i = from; i < to; ++i)
      outputs.put(reversed ? steps - 1 - i : i, made.outputs[static_cast<std::size_t>(i - from)]);
    state = std::move(made.state);
    from = to;
  }
  return {.outputs = outputs.finish(), .state = std::move(state)};
}

}  // namespace unroll::nn
