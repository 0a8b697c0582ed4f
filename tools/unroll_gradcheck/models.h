#pragma once

#include <unroll/unroll.h>

#include <string>
#include <utility>
#include <vector>

#include "row.h"

// Subjects made of models: recurrent layers and single steps of cells, of small sizes.
namespace gradcheck_tool {

// Evenly spread over [-1, 1), in f64.
Tensor random_tensor(const unroll::Shape& shape);

// In f64, every parameter drawn anew: biases of 0 and gains of 1 would hide mistakes.
void draw_parameters(unroll::nn::Module& model);

// Σ w · x over all elements, with weights of either sign that depend on the position alone.
class WeightedSum {
 public:
  void add(const Tensor& x);
  const Tensor& total() const { return total_; }

 private:
  Tensor total_ = unroll::full({}, 0, unroll::f64);
  Index number_ = 0;
};

// One way of using a recurrent layer.
struct Use {
  std::string name;
  std::vector<Index> lengths = {};  // of three rows; none: all steps
  bool initial = false;             // the states before the first step are inputs
  Index steps = 3;
};

// Options of a module under a name: "projection", {.projection = 2}.
template <class Options>
struct Form {
  Form(std::string n) : name(std::move(n)), options() {}
  Form(std::string n, Options o, bool t = false)
      : name(std::move(n)), options(std::move(o)), training(t) {}
  std::string name;
  Options options;
  bool training = false;
};

inline constexpr Index rows = 3;  // of a batch

template <class State>
std::vector<Tensor> tensors_of(const State& state) {
  std::vector<Tensor> all;
  unroll::for_each_tensor(state, [&](const Tensor& x) { all.push_back(x); });
  return all;
}

// A state of the same form that has these tensors.
template <class State>
State state_of(State like, std::span<const Tensor> tensors) {
  std::size_t next = 0;
  unroll::for_each_tensor(like, [&](Tensor& x) { x = tensors[next++]; });
  return like;
}

// A layer over time: Σ w · outputs + Σ w · final state, of x, the parameters and, where the use
// says so, the initial state.
template <class Layer>
Subject sequence_of(const typename Layer::Options& options, const Use& use) {
  auto layer = std::make_shared<Layer>(options);
  draw_parameters(*layer);
  Subject subject{
      .inputs = {random_tensor({use.steps, rows, options.input})}, .f = {}, .model = layer};
  const auto like = (*layer)(subject.inputs[0]).state;
  if (use.initial)
    for (const Tensor& x : tensors_of(like)) subject.inputs.push_back(random_tensor(x.shape()));
  subject.f = [layer, use, like](std::span<const Tensor> in) {
    typename Layer::Call call{.initial = {}, .lengths = use.lengths};
    if (use.initial) call.initial = state_of(like, in.subspan(1));
    const auto out = (*layer)(in[0], call);
    WeightedSum loss;
    loss.add(out.outputs);
    for (const Tensor& x : tensors_of(out.state)) loss.add(x);
    return loss.total();
  };
  return subject;
}

// One step of a cell by itself, of x, the state and the parameters.
template <class Cell>
Subject step_of(const typename Cell::Options& options) {
  auto cell = std::make_shared<Cell>(options);
  draw_parameters(*cell);
  const auto like = unroll::nn::initial_state(*cell, rows);
  Subject subject{.inputs = {random_tensor({rows, options.input})}, .f = {}, .model = cell};
  for (const Tensor& x : tensors_of(like)) subject.inputs.push_back(random_tensor(x.shape()));
  subject.f = [cell, like](std::span<const Tensor> in) {
    const auto next = unroll::nn::apply(*cell, in[0], state_of(like, in.subspan(1)));
    WeightedSum loss;
    loss.add(unroll::nn::output(*cell, next));
    for (const Tensor& x : tensors_of(next)) loss.add(x);
    return loss.total();
  };
  return subject;
}

// A row for a cell: each form in a single step and in layers. One line is all a new cell needs:
//   cell_row<nn::MyCell>("cell", "MyCell", {{"plain"}, {"projection", {.projection = 2}}})
template <class Cell>
Row cell_row(std::string kind, std::string name,
             const std::vector<Form<typename Cell::Options>>& forms) {
  using Layer = unroll::nn::Recurrent<Cell>;
  constexpr Index input = 2, hidden = 3;
  const std::vector<Use> uses{{.name = "sequence"},
                              {.name = "carried state", .initial = true},
                              {.name = "lengths", .lengths = {1, 3, 2}},
                              {.name = "lengths and state", .lengths = {2, 0, 3}, .initial = true}};
  Row row{.kind = std::move(kind), .name = std::move(name), .variants = {}};
  for (const auto& form : forms) {
    const auto add = [&](const std::string& use, const std::function<Subject()>& make) {
      row.variants.push_back(
          {.name = form.name + ", " + use, .make = make, .training = form.training});
    };
    add("one step", [o = form.options] {
      auto of_cell = o;
      of_cell.input = input;
      of_cell.hidden = hidden;
      return step_of<Cell>(of_cell);
    });
    for (const Use& use : uses)
      add(use.name, [o = form.options, use] {
        return sequence_of<Layer>({.input = input, .hidden = hidden, .cell = o}, use);
      });
    add("two layers, two directions", [o = form.options] {
      return sequence_of<Layer>(
          {.input = input, .hidden = hidden, .layers = 2, .bidirectional = true, .cell = o},
          {.name = "", .steps = 2});
    });
    add("learned state", [o = form.options] {
      return sequence_of<Layer>(
          {.input = input, .hidden = hidden, .learn_initial = true, .cell = o},
          {.name = "", .lengths = {1, 2, 2}, .steps = 2});
    });
  }
  return row;
}

}  // namespace gradcheck_tool
